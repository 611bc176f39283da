// A Lambda runtime in C#, for Mono and for .NET, with nothing but the base library: compile it together with a class
// `Function` that has `public static string Handle(string json, Context context)`: JSON text in, JSON text out.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net.Sockets;
using System.Text;

/// <summary>What a handler is told about its call.</summary>
public class Context
{
    public string RequestId, FunctionArn;
    public DateTime Deadline;

    public int RemainingMilliseconds
    {
        get { return Math.Max(0, (int)(Deadline - DateTime.UtcNow).TotalMilliseconds); }
    }
}

public static class Runtime
{
    public static void Main()
    {
        Console.SetOut(new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(false)) { AutoFlush = true });
        var api = new RuntimeApi(Environment.GetEnvironmentVariable("AWS_LAMBDA_RUNTIME_API"));
        while (true)
        {
            var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
            string json = api.Request("GET", "/next", "", headers);
            string id = headers["Lambda-Runtime-Aws-Request-Id"];
            var context = new Context
            {
                RequestId = id,
                FunctionArn = headers["Lambda-Runtime-Invoked-Function-Arn"],
                Deadline = new DateTime(1970, 1, 1, 0, 0, 0, DateTimeKind.Utc)
                    .AddMilliseconds(long.Parse(headers["Lambda-Runtime-Deadline-Ms"])),
            };
            string answer, result = "response";
            try
            {
                answer = Function.Handle(json, context);
            }
            catch (Exception error)
            {
                Console.WriteLine("ERROR " + error);
                answer = ErrorBody(error);
                result = "error";
            }
            api.Request("POST", "/" + id + "/" + result, answer, new Dictionary<string, string>());
        }
    }

    private static string ErrorBody(Exception error)
    {
        var lines = (error.StackTrace ?? "").Split('\n').Where(line => line.Trim() != "" && !line.Contains("Runtime.Main"));
        return "{\"errorMessage\":" + Json.Quote(error.Message) + ",\"errorType\":" + Json.Quote(error.GetType().Name)
            + ",\"stackTrace\":[" + string.Join(",", lines.Select(line => Json.Quote(line.Trim()))) + "]}";
    }
}

public static class Json
{
    /// <summary>A text as JSON writes it.</summary>
    public static string Quote(string text)
    {
        var quoted = new StringBuilder("\"");
        foreach (char letter in text)
        {
            if (letter == '"' || letter == '\\') quoted.Append('\\').Append(letter);
            else if (letter < ' ') quoted.AppendFormat("\\u{0:x4}", (int)letter);
            else quoted.Append(letter);
        }
        return quoted.Append('"').ToString();
    }
}

/// <summary>The Lambda Runtime API: HTTP/1.1 on one connection that stays open.</summary>
public class RuntimeApi
{
    private readonly string address;
    private readonly Stream stream;

    public RuntimeApi(string address)
    {
        this.address = address;
        string[] parts = address.Split(':');
        var client = new TcpClient(parts[0], int.Parse(parts[1])) { NoDelay = true };
        stream = new BufferedStream(client.GetStream(), 65536);
    }

    public string Request(string method, string path, string body, IDictionary<string, string> headers)
    {
        byte[] content = Encoding.UTF8.GetBytes(body);
        byte[] head = Encoding.ASCII.GetBytes(method + " /2018-06-01/runtime/invocation" + path + " HTTP/1.1\r\nHost: " + address
            + "\r\nContent-Type: application/json\r\nContent-Length: " + content.Length + "\r\n\r\n");
        stream.Write(head, 0, head.Length);
        stream.Write(content, 0, content.Length);
        stream.Flush();
        ReadLine(); // The status.
        int length = 0;
        for (string line = ReadLine(); line != ""; line = ReadLine())
        {
            int colon = line.IndexOf(':');
            string name = line.Substring(0, colon), value = line.Substring(colon + 1).Trim();
            headers[name] = value;
            if (name.Equals("Content-Length", StringComparison.OrdinalIgnoreCase)) length = int.Parse(value);
        }
        byte[] answer = new byte[length];
        for (int have = 0; have < length;)
        {
            int count = stream.Read(answer, have, length - have);
            if (count == 0) Environment.Exit(1);
            have += count;
        }
        return Encoding.UTF8.GetString(answer);
    }

    private string ReadLine()
    {
        var line = new List<byte>();
        for (int next = stream.ReadByte(); next != '\n'; next = stream.ReadByte())
        {
            if (next < 0) Environment.Exit(1); // Lambda has ended this environment.
            if (next != '\r') line.Add((byte)next);
        }
        return Encoding.UTF8.GetString(line.ToArray());
    }
}
