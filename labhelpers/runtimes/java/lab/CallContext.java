package lab;

import com.amazonaws.services.lambda.runtime.Client;
import com.amazonaws.services.lambda.runtime.ClientContext;
import com.amazonaws.services.lambda.runtime.CognitoIdentity;
import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.LambdaLogger;
import java.util.Map;
import java.util.stream.Collectors;

/** What a handler is told about its call. https://docs.aws.amazon.com/lambda/latest/dg/java-context.html */
final class CallContext implements Context {
    private final RuntimeApi.Answer event;
    private final LambdaLogger logger;

    CallContext(RuntimeApi.Answer event, LambdaLogger logger) {
        this.event = event;
        this.logger = logger;
    }

    @Override
    public String getAwsRequestId() {
        return event.header("aws-request-id");
    }

    @Override
    public String getLogGroupName() {
        return System.getenv("AWS_LAMBDA_LOG_GROUP_NAME");
    }

    @Override
    public String getLogStreamName() {
        return System.getenv("AWS_LAMBDA_LOG_STREAM_NAME");
    }

    @Override
    public String getFunctionName() {
        return System.getenv("AWS_LAMBDA_FUNCTION_NAME");
    }

    @Override
    public String getFunctionVersion() {
        return System.getenv("AWS_LAMBDA_FUNCTION_VERSION");
    }

    @Override
    public String getInvokedFunctionArn() {
        return event.header("invoked-function-arn");
    }

    @Override
    public CognitoIdentity getIdentity() {
        Map<?, ?> said = parsed("cognito-identity");
        return new CognitoIdentity() {
            @Override
            public String getIdentityId() {
                return text(said, "cognitoIdentityId");
            }

            @Override
            public String getIdentityPoolId() {
                return text(said, "cognitoIdentityPoolId");
            }
        };
    }

    @Override
    public ClientContext getClientContext() {
        Map<?, ?> said = parsed("client-context");
        return said.isEmpty() ? null : new Said(said);
    }

    @Override
    public int getRemainingTimeInMillis() {
        long left = Long.parseLong(event.header("deadline-ms")) - System.currentTimeMillis();
        return (int) Math.max(0, left);
    }

    @Override
    public int getMemoryLimitInMB() {
        return Integer.parseInt(System.getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"));
    }

    @Override
    public LambdaLogger getLogger() {
        return logger;
    }

    private Map<?, ?> parsed(String header) {
        String said = event.header(header);
        Object value = said == null ? null : Json.parse(said);
        return value instanceof Map ? (Map<?, ?>) value : Map.of();
    }

    private static String text(Map<?, ?> map, String name) {
        Object value = map.get(name);
        return value == null ? null : value.toString();
    }

    private static final class Said implements ClientContext, Client {
        private final Map<?, ?> said;
        private final Map<?, ?> client;

        Said(Map<?, ?> said) {
            this.said = said;
            this.client = said.get("client") instanceof Map ? (Map<?, ?>) said.get("client") : Map.of();
        }

        @Override
        public Client getClient() {
            return said.containsKey("client") ? this : null;
        }

        @Override
        public Map<String, String> getCustom() {
            return texts("custom");
        }

        @Override
        public Map<String, String> getEnvironment() {
            return texts("env");
        }

        private Map<String, String> texts(String name) {
            Object value = said.get(name);
            return !(value instanceof Map) ? null : ((Map<?, ?>) value).entrySet().stream()
                .collect(Collectors.toMap(entry -> entry.getKey().toString(), entry -> String.valueOf(entry.getValue())));
        }

        @Override
        public String getInstallationId() {
            return text(client, "installation_id");
        }

        @Override
        public String getAppTitle() {
            return text(client, "app_title");
        }

        @Override
        public String getAppVersionName() {
            return text(client, "app_version_name");
        }

        @Override
        public String getAppVersionCode() {
            return text(client, "app_version_code");
        }

        @Override
        public String getAppPackageName() {
            return text(client, "app_package_name");
        }
    }
}
