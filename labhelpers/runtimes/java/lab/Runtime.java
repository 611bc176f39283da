package lab;

import com.amazonaws.services.lambda.runtime.LambdaRuntime;
import java.io.File;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** A Lambda runtime for Java: loads the handler, then asks for an event, calls it, answers, and asks again. */
public final class Runtime {
    private final RuntimeApi api;
    private final Log log = new Log();

    private Runtime(RuntimeApi api) {
        this.api = api;
    }

    /** The one argument is the handler; `--rehearse` answers one event of its own, so that its classes can be archived. */
    public static void main(String[] arguments) throws IOException {
        System.setOut(new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(new FileOutputStream(FileDescriptor.err), true, StandardCharsets.UTF_8));
        boolean isRehearsal = arguments[0].equals("--rehearse");
        String address = isRehearsal ? Rehearsal.start() : System.getenv("AWS_LAMBDA_RUNTIME_API");
        Runtime runtime = new Runtime(new RuntimeApi(address));
        LambdaRuntime.setLogger(runtime.log);
        if (isRehearsal) {
            runtime.run(Handlers.load(Rehearsal.HANDLER, Runtime.class.getClassLoader()));
            return;
        }
        ClassLoader code = codeOf(System.getenv("LAMBDA_TASK_ROOT"), System.getenv().getOrDefault("LAB_OPT", "/opt"));
        Thread.currentThread().setContextClassLoader(code);
        int status = 1;
        try {
            runtime.run(runtime.load(arguments[0], code));
            status = 0;
        } finally { // Whatever threads the function has left, it ends with its runtime.
            System.exit(status);
        }
    }

    private Handlers.Handler load(String name, ClassLoader code) throws IOException {
        try {
            return Handlers.load(name, code);
        } catch (Failure failure) {
            log.log(failure.toLog());
            api.failInit(failure);
            System.exit(1);
            throw failure;
        }
    }

    private void run(Handlers.Handler handler) throws IOException {
        boolean goesOn = true;
        while (goesOn) {
            RuntimeApi.Answer event = api.next();
            String requestId = event.header("aws-request-id");
            log.setRequestId(requestId);
            String trace = event.header("trace-id");
            if (trace != null) {
                System.setProperty("com.amazonaws.xray.traceHeader", trace);
            }
            Failure failure = null;
            byte[] answer = null;
            try {
                answer = handler.call(event.body, new CallContext(event, log));
            } catch (Failure told) {
                failure = told;
            } catch (Throwable thrown) {
                failure = Failure.of(thrown);
            }
            if (failure == null) {
                api.respond(requestId, answer);
            } else {
                log.log(failure.toLog());
                api.fail(requestId, failure);
                goesOn = !failure.isFatal;
            }
            goesOn &= !requestId.equals(Rehearsal.REQUEST_ID);
        }
    }

    /** The package itself, the jars in its lib folder, and those of the layers. */
    private static ClassLoader codeOf(String task, String opt) throws MalformedURLException {
        List<URL> places = new ArrayList<>();
        places.add(new File(task).toURI().toURL());
        for (File folder : new File[] {new File(task, "lib"), new File(opt, "java/lib")}) {
            File[] jars = folder.listFiles((parent, name) -> name.endsWith(".jar"));
            if (jars != null) {
                Arrays.sort(jars);
                for (File jar : jars) {
                    places.add(jar.toURI().toURL());
                }
            }
        }
        return new URLClassLoader(places.toArray(new URL[0]), Runtime.class.getClassLoader());
    }
}
