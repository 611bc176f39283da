package com.amazonaws.services.lambda.runtime;

/** Who called, as a mobile SDK of AWS says it. */
public interface CognitoIdentity {
    String getIdentityId();

    String getIdentityPoolId();
}
