package lab;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Optional;

/**
 * Finds what _HANDLER names: package.Class::method, or package.Class with one of the two interfaces.
 * https://docs.aws.amazon.com/lambda/latest/dg/java-handler.html
 */
final class Handlers {
    /** A handler as the loop sees it: bytes in, bytes out. */
    interface Handler {
        byte[] call(byte[] event, Context context) throws Throwable;
    }

    private Handlers() {
    }

    /** The handler `name`. What can only be said to a caller is thrown when it is called, as AWS does; the rest at once. */
    static Handler load(String name, ClassLoader loader) {
        String[] parts = name.split("::", -1);
        if (parts.length > 2 || parts[0].isEmpty() || parts.length == 2 && parts[1].isEmpty()) {
            return refusing(Failure.ofCode("Invalid handler: `" + name + "'", null, false));
        }
        Class<?> found;
        try {
            found = loader.loadClass(parts[0]);
        } catch (ClassNotFoundException error) {
            return refusing(Failure.ofCode("Class not found: " + parts[0], error, false));
        } catch (LinkageError error) {
            throw Failure.ofCode("Error loading class " + parts[0] + ": " + error.getMessage(), error, true);
        }
        String method = parts.length == 2 ? parts[1] : null;
        if (method == null && RequestStreamHandler.class.isAssignableFrom(found)) {
            RequestStreamHandler handler = (RequestStreamHandler) instance(found);
            return (event, context) -> {
                ByteArrayOutputStream out = new ByteArrayOutputStream();
                handler.handleRequest(new ByteArrayInputStream(event), out, context);
                return out.toByteArray();
            };
        }
        if (method == null && !RequestHandler.class.isAssignableFrom(found)) {
            return refusing(Failure.ofCode("Class does not implement an appropriate handler interface: " + found.getName(), null, false));
        }
        return ofMethod(found, method == null ? "handleRequest" : method);
    }

    private static Handler refusing(Failure failure) {
        return (event, context) -> {
            throw failure;
        };
    }

    private static Handler ofMethod(Class<?> owner, String name) {
        Optional<Method> found = Arrays.stream(owner.getMethods())
            .filter(method -> method.getName().equals(name) && isHandler(method.getParameterTypes()))
            .min(Comparator.comparing(Method::isBridge).thenComparing(method -> -weight(method.getParameterTypes())));
        if (found.isEmpty()) {
            String text = "No public method named " + name + " with appropriate method signature found on class " + owner.getName();
            return refusing(Failure.ofCode(text, null, false));
        }
        Method method = found.get();
        method.setAccessible(true);
        Object instance = Modifier.isStatic(method.getModifiers()) ? null : instance(owner);
        return (event, context) -> call(method, instance, event, context);
    }

    /** Streams, then a Context if any; or one value, then a Context if any. */
    private static boolean isHandler(Class<?>[] parameters) {
        int count = parameters.length;
        if (count > 0 && parameters[count - 1] == Context.class) {
            count--;
        }
        boolean isStream = count == 2 && parameters[0] == InputStream.class && parameters[1] == OutputStream.class;
        return count < 2 && !(count == 1 && parameters[0] == Context.class) || isStream;
    }

    private static int weight(Class<?>[] parameters) {
        boolean hasContext = parameters.length > 0 && parameters[parameters.length - 1] == Context.class;
        return parameters.length + (hasContext ? 1 : 0);
    }

    private static byte[] call(Method method, Object instance, byte[] event, Context context) throws Throwable {
        Class<?>[] parameters = method.getParameterTypes();
        Type[] types = method.getGenericParameterTypes();
        ByteArrayOutputStream out = null;
        Object[] values = new Object[parameters.length];
        for (int i = 0; i < parameters.length; i++) {
            if (parameters[i] == Context.class) {
                values[i] = context;
            } else if (parameters[i] == InputStream.class) {
                values[i] = new ByteArrayInputStream(event);
            } else if (parameters[i] == OutputStream.class) {
                values[i] = out = new ByteArrayOutputStream();
            } else {
                values[i] = read(event, types[i]);
            }
        }
        Object returned;
        try {
            returned = method.invoke(instance, values);
        } catch (InvocationTargetException error) {
            throw error.getCause();
        }
        return out != null ? out.toByteArray() : Json.write(returned);
    }

    private static Object read(byte[] event, Type type) {
        try {
            return Binding.bind(Json.parse(new String(event, StandardCharsets.UTF_8)), type);
        } catch (ReflectiveOperationException | IllegalArgumentException error) {
            throw new RuntimeException("An error occurred during JSON parsing", error);
        }
    }

    private static Object instance(Class<?> owner) {
        try {
            return owner.getConstructor().newInstance();
        } catch (InvocationTargetException error) {
            throw Failure.ofCode(Failure.message(error.getCause()), error.getCause(), true);
        } catch (NoSuchMethodException error) {
            throw Failure.ofCode("Class " + owner.getName() + " has no public zero-argument constructor", error, true);
        } catch (ReflectiveOperationException | LinkageError error) {
            throw Failure.ofCode("Error loading class " + owner.getName() + ": " + Failure.message(error), error, true);
        }
    }
}
