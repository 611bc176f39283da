package lab;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** One event, answered by a handler in here over a Runtime API in here: so all classes of the runtime are loaded once. */
public final class Rehearsal implements RequestHandler<Map<String, Object>, Map<String, Object>> {
    static final String HANDLER = "lab.Rehearsal";
    static final String REQUEST_ID = "rehearsal";

    /** A class with properties, as a function may take one. */
    public static final class Order {
        private int count;

        public int getCount() {
            return count;
        }

        public void setCount(int count) {
            this.count = count;
        }
    }

    @Override
    public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
        try {
            Object order = Binding.bind(Json.parse("{\"count\": 2}"), Order.class);
            Failure.of(new IllegalStateException("rehearsed")).toLog();
            return new HashMap<>(Map.of("event", event, "order", order, "list", List.of(1, 2.5, "three")));
        } catch (ReflectiveOperationException error) {
            throw new IllegalStateException(error);
        }
    }

    /** Start the Runtime API; returns its address. */
    static String start() throws IOException {
        ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
        Thread thread = new Thread(() -> serve(server));
        thread.setDaemon(true);
        thread.start();
        return "127.0.0.1:" + server.getLocalPort();
    }

    private static void serve(ServerSocket server) {
        try (Socket client = server.accept()) {
            InputStream in = client.getInputStream();
            OutputStream out = client.getOutputStream();
            byte[] event = "{\"a\": [1, 2.5, true, null, \"text\"]}".getBytes(StandardCharsets.UTF_8);
            in.read(new byte[65536]);
            String head = "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: " + REQUEST_ID
                + "\r\nLambda-Runtime-Deadline-Ms: 1\r\nContent-Length: " + event.length + "\r\n\r\n";
            out.write(head.getBytes(StandardCharsets.UTF_8));
            out.write(event);
            in.read(new byte[65536]);
            out.write("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".getBytes(StandardCharsets.UTF_8));
        } catch (IOException error) {
            throw new IllegalStateException(error);
        }
    }
}
