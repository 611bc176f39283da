package com.amazonaws.services.lambda.runtime;

/** The logger for code that has no context at hand. */
public class LambdaRuntime {
    private static volatile LambdaLogger logger;

    private LambdaRuntime() {
    }

    public static LambdaLogger getLogger() {
        return logger;
    }

    /** The runtime sets it once; not for functions. */
    public static void setLogger(LambdaLogger first) {
        if (logger == null) {
            logger = first;
        }
    }
}
