package lab;

import java.lang.reflect.Array;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** JSON to maps, lists, strings, numbers, booleans and null; and these, and whatever has properties, to JSON. */
final class Json {
    private static final int DEPTH_MAX = 1000;

    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    static Object parse(String text) {
        Json reader = new Json(text);
        Object value = reader.value(0);
        reader.skipSpace();
        if (reader.at < text.length()) {
            throw reader.unexpected();
        }
        return value;
    }

    static byte[] write(Object value) {
        StringBuilder out = new StringBuilder();
        write(value, out, Collections.newSetFromMap(new IdentityHashMap<>()));
        return out.toString().getBytes(StandardCharsets.UTF_8);
    }

    private Object value(int depth) {
        if (depth > DEPTH_MAX) {
            throw new IllegalArgumentException("JSON is nested more than " + DEPTH_MAX + " deep");
        }
        skipSpace();
        char next = at < text.length() ? text.charAt(at) : ' ';
        switch (next) {
            case '{':
                return map(depth);
            case '[':
                return list(depth);
            case '"':
                return string();
            case 't':
                return word("true", Boolean.TRUE);
            case 'f':
                return word("false", Boolean.FALSE);
            case 'n':
                return word("null", null);
            default:
                return number();
        }
    }

    private Map<String, Object> map(int depth) {
        Map<String, Object> found = new LinkedHashMap<>();
        at++;
        skipSpace();
        while (!take('}')) {
            if (!found.isEmpty()) {
                expect(',');
                skipSpace();
            }
            String name = string();
            skipSpace();
            expect(':');
            found.put(name, value(depth + 1));
            skipSpace();
        }
        return found;
    }

    private List<Object> list(int depth) {
        List<Object> found = new ArrayList<>();
        at++;
        skipSpace();
        while (!take(']')) {
            if (!found.isEmpty()) {
                expect(',');
            }
            found.add(value(depth + 1));
            skipSpace();
        }
        return found;
    }

    private String string() {
        expect('"');
        int end = at;
        while (end < text.length() && text.charAt(end) != '"' && text.charAt(end) != '\\') {
            end++;
        }
        if (end < text.length() && text.charAt(end) == '"') {
            String plain = text.substring(at, end);
            at = end + 1;
            return plain;
        }
        StringBuilder found = new StringBuilder();
        while (!take('"')) {
            char next = character();
            found.append(next == '\\' ? escaped() : next);
        }
        return found.toString();
    }

    private char escaped() {
        char next = character();
        switch (next) {
            case 'b':
                return '\b';
            case 'f':
                return '\f';
            case 'n':
                return '\n';
            case 'r':
                return '\r';
            case 't':
                return '\t';
            case 'u':
                if (at + 4 > text.length()) {
                    throw unexpected();
                }
                at += 4;
                return (char) Integer.parseInt(text.substring(at - 4, at), 16);
            default:
                return next;
        }
    }

    private Number number() {
        int start = at;
        boolean whole = true;
        while (at < text.length() && "+-0123456789.eE".indexOf(text.charAt(at)) >= 0) {
            whole &= ".eE".indexOf(text.charAt(at)) < 0;
            at++;
        }
        String digits = text.substring(start, at);
        try {
            if (!whole) {
                return Double.valueOf(digits);
            }
            BigInteger exact = new BigInteger(digits);
            if (exact.bitLength() < 32) {
                return exact.intValue();
            }
            return exact.bitLength() < 64 ? (Number) exact.longValue() : exact;
        } catch (NumberFormatException error) {
            at = start;
            throw unexpected();
        }
    }

    private Object word(String word, Object value) {
        if (!text.startsWith(word, at)) {
            throw unexpected();
        }
        at += word.length();
        return value;
    }

    private char character() {
        if (at >= text.length()) {
            throw unexpected();
        }
        return text.charAt(at++);
    }

    private void skipSpace() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
    }

    private boolean take(char wanted) {
        if (at < text.length() && text.charAt(at) == wanted) {
            at++;
            return true;
        }
        return false;
    }

    private void expect(char wanted) {
        if (!take(wanted)) {
            throw unexpected();
        }
    }

    private IllegalArgumentException unexpected() {
        String what = at < text.length() ? "'" + text.charAt(at) + "'" : "the end";
        return new IllegalArgumentException("unexpected " + what + " at position " + at + " of the JSON text");
    }

    private static void write(Object value, StringBuilder out, Set<Object> above) {
        if (value instanceof Optional) {
            write(((Optional<?>) value).orElse(null), out, above);
        } else if (value == null || value instanceof Boolean) {
            out.append(value);
        } else if (value instanceof Number) {
            out.append(value instanceof BigDecimal ? ((BigDecimal) value).toPlainString() : value);
        } else if (value instanceof CharSequence || value instanceof Character || value instanceof Enum) {
            quote(value instanceof Enum ? ((Enum<?>) value).name() : value.toString(), out);
        } else {
            if (!above.add(value)) {
                throw new IllegalArgumentException("an object of " + value.getClass().getName() + " contains itself");
            }
            writeParts(value, out, above);
            above.remove(value);
        }
    }

    private static void writeParts(Object value, StringBuilder out, Set<Object> above) {
        if (value instanceof Iterable) {
            out.append('[');
            int count = 0;
            for (Object item : (Iterable<?>) value) {
                out.append(count++ > 0 ? "," : "");
                write(item, out, above);
            }
            out.append(']');
        } else if (value.getClass().isArray()) {
            out.append('[');
            for (int i = 0; i < Array.getLength(value); i++) {
                out.append(i > 0 ? "," : "");
                write(Array.get(value, i), out, above);
            }
            out.append(']');
        } else {
            out.append('{');
            int count = 0;
            Map<?, ?> properties = value instanceof Map ? (Map<?, ?>) value : Binding.properties(value);
            for (Map.Entry<?, ?> entry : properties.entrySet()) {
                out.append(count++ > 0 ? "," : "");
                quote(String.valueOf(entry.getKey()), out);
                out.append(':');
                write(entry.getValue(), out, above);
            }
            out.append('}');
        }
    }

    private static void quote(String text, StringBuilder out) {
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            char next = text.charAt(i);
            if (next == '"' || next == '\\') {
                out.append('\\').append(next);
            } else if (next == '\n') {
                out.append("\\n");
            } else if (next < ' ' || Character.isSurrogate(next) && !isPaired(text, i)) {
                out.append(String.format("\\u%04x", (int) next));
            } else {
                out.append(next);
            }
        }
        out.append('"');
    }

    private static boolean isPaired(String text, int at) {
        return Character.isHighSurrogate(text.charAt(at))
            ? at + 1 < text.length() && Character.isLowSurrogate(text.charAt(at + 1))
            : at > 0 && Character.isHighSurrogate(text.charAt(at - 1));
    }
}
