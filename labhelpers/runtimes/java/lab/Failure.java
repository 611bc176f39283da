package lab;

import java.io.IOError;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.Arrays;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/** Something that went wrong, on its way to whoever called the function; its words are those of AWS's runtime. */
final class Failure extends RuntimeException {
    private static final long serialVersionUID = 1L;

    final String text;
    final String type;
    final String runtimeType;
    final boolean isFatal;
    private final StackTraceElement[] stack;
    private final String trace;

    private Failure(String text, Throwable cause, String runtimeType, boolean isFatal, boolean showsStack) {
        super(text, null, false, false);
        this.text = text;
        this.type = cause == null ? null : cause.getClass().getName();
        this.runtimeType = runtimeType;
        this.isFatal = isFatal;
        this.stack = cause == null || !showsStack ? null : framesOf(cause);
        this.trace = cause == null ? null : printed(cause);
    }

    /** The function's code could not be found or made. */
    static Failure ofCode(String text, Throwable cause, boolean isFatal) {
        withoutRuntime(cause, Collections.newSetFromMap(new IdentityHashMap<>()));
        return new Failure(text, cause, "Runtime.BadFunctionCode", isFatal, false);
    }

    /** The handler has thrown `cause`. */
    static Failure of(Throwable cause) {
        withoutRuntime(cause, Collections.newSetFromMap(new IdentityHashMap<>()));
        boolean isFatal = cause instanceof VirtualMachineError || cause instanceof IOError;
        return new Failure(message(cause), cause, "Runtime.UserException", isFatal, true);
    }

    static String message(Throwable cause) {
        String said = null;
        try {
            said = cause.getLocalizedMessage();
        } catch (Throwable another) { // The function's own code: it may fail here, too.
            said = cause.getClass().getName() + " whose message cannot be read: it throws " + another.getClass().getName();
        }
        return said == null ? cause.getClass().getName() : said;
    }

    private static StackTraceElement[] framesOf(Throwable cause) {
        try {
            StackTraceElement[] frames = cause.getStackTrace();
            return frames == null ? new StackTraceElement[0] : frames;
        } catch (Throwable another) {
            return new StackTraceElement[0];
        }
    }

    byte[] toJson() {
        Map<String, Object> body = new LinkedHashMap<>();
        body.put("errorMessage", text);
        if (type != null) {
            body.put("errorType", type);
        }
        if (stack != null) {
            body.put("stackTrace", Arrays.stream(stack).map(StackTraceElement::toString).toArray());
        }
        return Json.write(body);
    }

    /** As AWS's runtime notes it in the log. */
    String toLog() {
        return type == null ? text + "\n" : text + ": " + type + "\n" + trace + "\n";
    }

    private static String printed(Throwable cause) {
        StringWriter all = new StringWriter();
        try {
            cause.printStackTrace(new PrintWriter(all));
        } catch (Throwable another) {
            all.append("its stack trace cannot be read: it throws " + another.getClass().getName());
        }
        return all.toString();
    }

    /** Cut a stack trace where the runtime's own frames begin. */
    private static void withoutRuntime(Throwable error, Set<Throwable> seen) {
        if (error == null || !seen.add(error)) {
            return;
        }
        StackTraceElement[] frames = framesOf(error);
        for (int i = 0; i < frames.length; i++) {
            String name = frames[i].getClassName();
            if (name.startsWith("lab.") || name.startsWith("jdk.internal.reflect.") || name.startsWith("java.lang.reflect.")) {
                error.setStackTrace(Arrays.copyOf(frames, i));
                break;
            }
        }
        withoutRuntime(error.getCause(), seen);
        for (Throwable suppressed : error.getSuppressed()) {
            withoutRuntime(suppressed, seen);
        }
    }
}
