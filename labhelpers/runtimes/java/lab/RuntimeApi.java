package lab;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/**
 * The Lambda Runtime API as a runtime speaks it: HTTP/1.1 on one connection that stays open.
 * https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
 */
final class RuntimeApi {
    private static final String PREFIX = "/2018-06-01/runtime";

    private final String address;
    private final InputStream in;
    private final OutputStream out;

    /** An answer: its headers, with small letters, and its body. */
    static final class Answer {
        final Map<String, String> headers = new HashMap<>();
        byte[] body = new byte[0];

        String header(String name) {
            return headers.get("lambda-runtime-" + name);
        }
    }

    /** `address` is what Lambda puts into AWS_LAMBDA_RUNTIME_API: host:port. */
    RuntimeApi(String address) throws IOException {
        int colon = address.lastIndexOf(':');
        Socket socket = new Socket();
        socket.connect(new InetSocketAddress(address.substring(0, colon), Integer.parseInt(address.substring(colon + 1))));
        socket.setTcpNoDelay(true);
        this.address = address;
        this.in = new BufferedInputStream(socket.getInputStream(), 65536);
        this.out = socket.getOutputStream();
    }

    /** Wait for the next event. */
    Answer next() throws IOException {
        return request("GET", "/invocation/next", new byte[0], null);
    }

    /** Send what the handler has returned. */
    void respond(String requestId, byte[] body) throws IOException {
        request("POST", "/invocation/" + requestId + "/response", body, null);
    }

    /** Send what the handler has thrown. */
    void fail(String requestId, Failure failure) throws IOException {
        request("POST", "/invocation/" + requestId + "/error", failure.toJson(), failure.runtimeType);
    }

    /** Say that the handler could not be loaded. */
    void failInit(Failure failure) throws IOException {
        request("POST", "/init/error", failure.toJson(), failure.runtimeType);
    }

    private Answer request(String method, String path, byte[] body, String errorType) throws IOException {
        StringBuilder head = new StringBuilder(256);
        head.append(method).append(' ').append(PREFIX).append(path).append(" HTTP/1.1\r\nHost: ").append(address);
        head.append("\r\nContent-Type: application/json\r\nContent-Length: ").append(body.length).append("\r\n");
        if (errorType != null) {
            head.append("Lambda-Runtime-Function-Error-Type: ").append(errorType).append("\r\n");
        }
        ByteArrayOutputStream whole = new ByteArrayOutputStream(head.length() + body.length + 2);
        whole.write(head.append("\r\n").toString().getBytes(StandardCharsets.ISO_8859_1));
        whole.write(body);
        whole.writeTo(out);
        return receive();
    }

    private Answer receive() throws IOException {
        Answer answer = new Answer();
        line(); // The status: what the API refuses is its own affair.
        for (String line = line(); !line.isEmpty(); line = line()) {
            int colon = line.indexOf(':');
            answer.headers.put(line.substring(0, colon).toLowerCase(Locale.ROOT), line.substring(colon + 1).trim());
        }
        answer.body = in.readNBytes(Integer.parseInt(answer.headers.getOrDefault("content-length", "0")));
        return answer;
    }

    private String line() throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream(64);
        for (int next = in.read(); next != '\n'; next = in.read()) {
            if (next < 0) {
                throw new EOFException("Lambda has ended this environment");
            }
            if (next != '\r') {
                line.write(next);
            }
        }
        return line.toString(StandardCharsets.UTF_8);
    }
}
