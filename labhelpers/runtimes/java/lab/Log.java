package lab;

import com.amazonaws.services.lambda.runtime.LambdaLogger;
import com.amazonaws.services.lambda.runtime.logging.LogLevel;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/** The function's log: frames of type, length, time in microseconds and text, so that each message is one event. */
final class Log implements LambdaLogger {
    private static final int TEXT_FRAME = 0xa55a0003;
    private static final int JSON_FRAME = 0xa55a0002;

    private final FileOutputStream out = new FileOutputStream(FileDescriptor.out);
    private final boolean isJson = "JSON".equalsIgnoreCase(System.getenv("AWS_LAMBDA_LOG_FORMAT"));
    private final LogLevel lowest = level(System.getenv("AWS_LAMBDA_LOG_LEVEL"));
    private String requestId;

    void setRequestId(String id) {
        requestId = id;
    }

    @Override
    public void log(String message) {
        log(message, LogLevel.UNDEFINED);
    }

    @Override
    public void log(byte[] message) {
        write(TEXT_FRAME, message);
    }

    @Override
    public void log(String message, LogLevel level) {
        if (level != LogLevel.UNDEFINED && level.compareTo(lowest) < 0) {
            return;
        }
        String text = String.valueOf(message);
        if (isJson) {
            Map<String, Object> record = new LinkedHashMap<>();
            record.put("timestamp", Instant.now().toString());
            record.put("level", (level == LogLevel.UNDEFINED ? LogLevel.INFO : level).name());
            record.put("message", text);
            record.put("AWSRequestId", requestId);
            write(JSON_FRAME, Json.write(record));
        } else {
            String prefix = level == LogLevel.UNDEFINED ? "" : "[" + level + "] ";
            write(TEXT_FRAME, (prefix + text).getBytes(StandardCharsets.UTF_8));
        }
    }

    private synchronized void write(int type, byte[] text) {
        long nowUs = System.currentTimeMillis() * 1000;
        ByteBuffer frame = ByteBuffer.allocate(16 + text.length);
        frame.putInt(type).putInt(text.length).putLong(nowUs).put(text);
        try {
            out.write(frame.array());
        } catch (IOException error) {
            return; // The function has closed its log: it goes on without one.
        }
    }

    private static LogLevel level(String name) {
        try {
            return name == null ? LogLevel.UNDEFINED : LogLevel.valueOf(name.toUpperCase(Locale.ROOT));
        } catch (IllegalArgumentException unknown) {
            return LogLevel.UNDEFINED;
        }
    }
}
