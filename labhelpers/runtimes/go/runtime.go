// A Lambda runtime in Go: compile it together with a file that has `func handle(event map[string]any, context Context) (any, error)`.
// On AWS one mostly takes the library github.com/aws/aws-lambda-go, which does the same.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Context is what a handler is told about its call.
type Context struct {
	RequestID   string
	FunctionArn string
	Deadline    time.Time
}

type failure struct {
	Message string   `json:"errorMessage"`
	Type    string   `json:"errorType"`
	Stack   []string `json:"stackTrace"`
}

var api = "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime"

func main() {
	for {
		event, headers := next()
		id := headers.Get("Lambda-Runtime-Aws-Request-Id")
		deadline, _ := strconv.ParseInt(headers.Get("Lambda-Runtime-Deadline-Ms"), 10, 64)
		os.Setenv("_X_AMZN_TRACE_ID", headers.Get("Lambda-Runtime-Trace-Id"))
		context := Context{id, headers.Get("Lambda-Runtime-Invoked-Function-Arn"), time.UnixMilli(deadline)}
		if answer, failed := call(event, context); failed != nil {
			fmt.Printf("ERROR %s: %s\n", failed.Type, failed.Message)
			body, _ := json.Marshal(failed)
			post("/invocation/"+id+"/error", body, failed.Type)
		} else {
			post("/invocation/"+id+"/response", answer, "")
		}
	}
}

// call runs the handler; a panic is a failure too, with its stack.
func call(event []byte, context Context) (answer []byte, failed *failure) {
	isOver := false
	defer func() {
		if cause := recover(); cause != nil {
			failed = &failure{fmt.Sprint(cause), typeName(cause), stack()}
		} else if !isOver { // panic(nil)
			failed = &failure{"panic called with nil argument", "PanicNilError", stack()}
		}
	}()
	var parsed map[string]any
	if err := json.Unmarshal(event, &parsed); err != nil {
		return nil, &failure{err.Error(), typeName(err), nil}
	}
	value, err := handle(parsed, context)
	isOver = true
	if err == nil {
		answer, err = json.Marshal(value)
	}
	if err != nil {
		return nil, &failure{err.Error(), typeName(err), nil}
	}
	return answer, nil
}

func typeName(value any) string {
	kind := reflect.TypeOf(value)
	if kind.Kind() == reflect.Ptr {
		kind = kind.Elem()
	}
	return kind.Name()
}

// stack lists the function's own frames, from the one that failed on.
func stack() []string {
	var found []string
	counters := make([]uintptr, 64)
	frames := runtime.CallersFrames(counters[:runtime.Callers(1, counters)])
	for {
		frame, more := frames.Next()
		if strings.HasPrefix(frame.Function, "main.") && !strings.HasSuffix(frame.File, "/runtime.go") {
			found = append(found, fmt.Sprintf("%s:%d %s", frame.File, frame.Line, frame.Function))
		}
		if !more {
			return found
		}
	}
}

func next() ([]byte, http.Header) {
	response, err := http.Get(api + "/invocation/next")
	if err != nil {
		os.Exit(1) // Lambda has ended this environment.
	}
	defer response.Body.Close()
	event, _ := io.ReadAll(response.Body)
	return event, response.Header
}

func post(path string, body []byte, errorType string) {
	request, _ := http.NewRequest("POST", api+path, bytes.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	if errorType != "" {
		request.Header.Set("Lambda-Runtime-Function-Error-Type", errorType)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		os.Exit(1)
	}
	io.Copy(io.Discard, response.Body)
	response.Body.Close()
}
