package com.amazonaws.services.lambda.runtime;

/** A handler that is given an event made from JSON as an I, and whose O becomes JSON. */
public interface RequestHandler<I, O> {
    O handleRequest(I input, Context context);
}
