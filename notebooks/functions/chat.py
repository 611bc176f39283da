"""The chat of notebook 16: keeps who is connected in a table, and sends each message to everybody in it."""

import json
import os

import boto3

people = boto3.resource("dynamodb").Table(os.environ["PEOPLE"])


def handler(event, context):
    request = event["requestContext"]
    me = request["connectionId"]
    if request["routeKey"] == "$connect":
        name = event["queryStringParameters"]["name"]
        people.put_item(Item={"connection_id": me, "name": name})
    elif request["routeKey"] == "$disconnect":
        people.delete_item(Key={"connection_id": me})
    elif request["routeKey"] == "say":
        said_by = people.get_item(Key={"connection_id": me})["Item"]["name"]
        tell_everybody(request, {"from": said_by, "text": json.loads(event["body"])["text"]})
    return {"statusCode": 200}


def tell_everybody(request, message):
    # As AWS's documentation writes it: the API's own address, made from the event.
    address = f"https://{request['domainName']}/{request['stage']}"
    api = boto3.client("apigatewaymanagementapi", endpoint_url=address)
    for person in people.scan()["Items"]:
        connection_id = person["connection_id"]
        try:
            api.post_to_connection(ConnectionId=connection_id, Data=json.dumps(message).encode())
        except api.exceptions.GoneException:  # Left without a goodbye: $disconnect is best effort.
            people.delete_item(Key={"connection_id": connection_id})
