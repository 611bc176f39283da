package lab;

import java.lang.reflect.Array;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.GenericArrayType;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Parameter;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.lang.reflect.WildcardType;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** Makes the object that a handler takes out of parsed JSON, and the properties of the object that it returns. */
final class Binding {
    private Binding() {
    }

    /** `json` as `type`: plain values, enums, arrays, collections, maps, records, and classes with setters or fields. */
    static Object bind(Object json, Type type) throws ReflectiveOperationException {
        Class<?> target = rawClass(type);
        if (json == null) {
            return target == Optional.class ? Optional.empty() : null;
        }
        if (target == Object.class) {
            return json;
        }
        if (target == Optional.class) {
            return Optional.ofNullable(bind(json, argument(type, 0)));
        }
        if (json instanceof List) {
            return bindList((List<?>) json, type, target);
        }
        if (json instanceof Map) {
            return bindMap((Map<?, ?>) json, type, target);
        }
        return bindPlain(json, target);
    }

    private static Object bindPlain(Object json, Class<?> target) throws ReflectiveOperationException {
        String text = json.toString();
        if (target.isInstance(json)) {
            return json;
        }
        if (target == String.class || target == CharSequence.class) {
            return text;
        }
        if (target == boolean.class || target == Boolean.class) {
            return json instanceof Boolean ? json : Boolean.valueOf(text);
        }
        if ((target == char.class || target == Character.class) && text.length() == 1) {
            return text.charAt(0);
        }
        if (target.isEnum()) {
            for (Object constant : target.getEnumConstants()) {
                if (((Enum<?>) constant).name().equals(text)) {
                    return constant;
                }
            }
        }
        Object number = number(json, target);
        if (number != null) {
            return number;
        }
        throw new IllegalArgumentException("cannot make a " + target.getName() + " of " + json.getClass().getSimpleName());
    }

    private static Object number(Object json, Class<?> target) {
        boolean isNumber = json instanceof Number || json instanceof String;
        if (!isNumber) {
            return null;
        }
        BigDecimal exact = new BigDecimal(json.toString());
        switch (target.getSimpleName().toLowerCase(Locale.ROOT)) {
            case "int":
            case "integer":
                return exact.intValue();
            case "long":
                return exact.longValue();
            case "double":
                return exact.doubleValue();
            case "float":
                return exact.floatValue();
            case "short":
                return exact.shortValue();
            case "byte":
                return exact.byteValue();
            case "bigdecimal":
                return exact;
            case "biginteger":
                return exact.toBigInteger();
            case "number":
                return exact;
            default:
                return null;
        }
    }

    private static Object bindList(List<?> json, Type type, Class<?> target) throws ReflectiveOperationException {
        if (target.isArray()) {
            Type inner = type instanceof GenericArrayType ? ((GenericArrayType) type).getGenericComponentType() : target.getComponentType();
            Object array = Array.newInstance(target.getComponentType(), json.size());
            for (int i = 0; i < json.size(); i++) {
                Array.set(array, i, bind(json.get(i), inner));
            }
            return array;
        }
        if (!Collection.class.isAssignableFrom(target) && target != Iterable.class) {
            throw new IllegalArgumentException("cannot make a " + target.getName() + " of a list");
        }
        Collection<Object> found = made(target, Set.class.isAssignableFrom(target) ? new LinkedHashSet<>() : new ArrayList<>());
        for (Object item : json) {
            found.add(bind(item, argument(type, 0)));
        }
        return found;
    }

    private static Object bindMap(Map<?, ?> json, Type type, Class<?> target) throws ReflectiveOperationException {
        if (Map.class.isAssignableFrom(target)) {
            Map<Object, Object> found = made(target, new LinkedHashMap<>());
            for (Map.Entry<?, ?> entry : json.entrySet()) {
                found.put(bind(entry.getKey(), argument(type, 0)), bind(entry.getValue(), argument(type, 1)));
            }
            return found;
        }
        if (target.isPrimitive() || target == String.class || Number.class.isAssignableFrom(target) || target.isEnum()) {
            throw new IllegalArgumentException("cannot make a " + target.getName() + " of an object");
        }
        if (target.getSuperclass() != null && target.getSuperclass().getName().equals("java.lang.Record")) {
            return bindRecord(json, target);
        }
        Constructor<?> constructor = target.getDeclaredConstructor();
        constructor.setAccessible(true);
        Object made = constructor.newInstance();
        for (Map.Entry<?, ?> entry : json.entrySet()) {
            set(made, entry.getKey().toString(), entry.getValue());
        }
        return made;
    }

    private static Object bindRecord(Map<?, ?> json, Class<?> target) throws ReflectiveOperationException {
        Constructor<?> constructor = target.getDeclaredConstructors()[0];
        constructor.setAccessible(true);
        Parameter[] parameters = constructor.getParameters();
        Object[] values = new Object[parameters.length];
        for (int i = 0; i < parameters.length; i++) {
            Object value = bind(json.get(parameters[i].getName()), parameters[i].getParameterizedType());
            Class<?> wanted = parameters[i].getType();
            values[i] = value == null && wanted.isPrimitive() ? Array.get(Array.newInstance(wanted, 1), 0) : value;
        }
        return constructor.newInstance(values);
    }

    /** Set one property by its setter, else as a public field; what the class does not have is left out. */
    private static void set(Object made, String name, Object json) throws ReflectiveOperationException {
        for (Method method : made.getClass().getMethods()) {
            if (method.getParameterCount() == 1 && method.getName().equalsIgnoreCase("set" + name) && !method.isBridge()) {
                Object value = bind(json, method.getGenericParameterTypes()[0]);
                if (value != null || !method.getParameterTypes()[0].isPrimitive()) {
                    method.setAccessible(true);
                    method.invoke(made, value);
                }
                return;
            }
        }
        for (Field field : made.getClass().getFields()) {
            if (field.getName().equalsIgnoreCase(name) && !Modifier.isStatic(field.getModifiers())) {
                field.setAccessible(true);
                field.set(made, bind(json, field.getGenericType()));
                return;
            }
        }
    }

    /** Properties by name: those with a getter, a record's, and public fields. */
    static Map<String, Object> properties(Object value) {
        Map<String, Object> found = new LinkedHashMap<>();
        try {
            for (Field field : value.getClass().getDeclaredFields()) { // In the order in which they were declared.
                Method getter = getter(value, field.getName());
                if (getter != null) {
                    found.put(field.getName(), read(getter, value));
                } else if (Modifier.isPublic(field.getModifiers()) && !Modifier.isStatic(field.getModifiers())) {
                    field.setAccessible(true);
                    found.put(field.getName(), field.get(value));
                }
            }
            for (Method method : value.getClass().getMethods()) {
                String name = propertyOf(method);
                if (name != null && !found.containsKey(name)) {
                    found.put(name, read(method, value));
                }
            }
            return found;
        } catch (ReflectiveOperationException error) {
            throw new IllegalArgumentException("no JSON can be made of " + value.getClass().getName(), error);
        }
    }

    private static Object read(Method method, Object value) throws ReflectiveOperationException {
        method.setAccessible(true);
        try {
            return method.invoke(value);
        } catch (InvocationTargetException error) {
            throw new IllegalArgumentException(method.getName() + " has thrown", error.getCause());
        }
    }

    private static Method getter(Object value, String field) {
        Class<?> type = value.getClass();
        boolean isRecord = type.getSuperclass() != null && type.getSuperclass().getName().equals("java.lang.Record");
        for (Method method : type.getMethods()) {
            boolean fits = field.equals(propertyOf(method)) || isRecord && method.getName().equals(field);
            if (fits && method.getParameterCount() == 0) {
                return method;
            }
        }
        return null;
    }

    private static String propertyOf(Method method) {
        String name = method.getName();
        boolean isBoolean = name.startsWith("is") && method.getReturnType() == boolean.class;
        int prefix = isBoolean ? 2 : name.startsWith("get") ? 3 : 0;
        boolean isGetter = prefix > 0 && name.length() > prefix && method.getParameterCount() == 0;
        if (!isGetter || Modifier.isStatic(method.getModifiers()) || method.getDeclaringClass() == Object.class) {
            return null;
        }
        return Character.toLowerCase(name.charAt(prefix)) + name.substring(prefix + 1);
    }

    @SuppressWarnings("unchecked")
    private static <T> T made(Class<?> target, T standard) throws ReflectiveOperationException {
        boolean isPlain = target.isInterface() || Modifier.isAbstract(target.getModifiers()) || target.isInstance(standard);
        return isPlain ? standard : (T) target.getDeclaredConstructor().newInstance();
    }

    private static Type argument(Type type, int number) {
        Type[] given = type instanceof ParameterizedType ? ((ParameterizedType) type).getActualTypeArguments() : new Type[0];
        return number < given.length ? given[number] : Object.class;
    }

    private static Class<?> rawClass(Type type) {
        if (type instanceof Class) {
            return (Class<?>) type;
        }
        if (type instanceof ParameterizedType) {
            return rawClass(((ParameterizedType) type).getRawType());
        }
        if (type instanceof GenericArrayType) {
            return Array.newInstance(rawClass(((GenericArrayType) type).getGenericComponentType()), 0).getClass();
        }
        Type[] bounds = type instanceof TypeVariable ? ((TypeVariable<?>) type).getBounds() : ((WildcardType) type).getUpperBounds();
        return rawClass(bounds[0]);
    }
}
