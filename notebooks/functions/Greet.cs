using System.Text.RegularExpressions;

public static class Function
{
    static int calls = 0;

    public static string Handle(string json, Context context)
    {
        calls++;
        string name = Regex.Match(json, "\"name\": *\"([^\"]+)\"").Result("$1");
        return "{\"greeting\": " + Json.Quote("Hello, " + name + "!") + ", \"calls\": " + calls + "}";
    }
}
