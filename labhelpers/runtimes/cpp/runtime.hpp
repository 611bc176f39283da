// A Lambda runtime in C++17, without any library: include it, and call run(handler) with a function that takes
// the event as JSON text and returns the answer as JSON text. On AWS one mostly takes aws-lambda-cpp, which does the same.
#pragma once

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <iostream>
#include <map>
#include <string>

namespace lambda {

struct Context {
    std::string request_id, function_arn;
    long long deadline_ms;
};

using Handler = std::function<std::string(const std::string& event, const Context& context)>;

// HTTP/1.1 on one connection that stays open.
class RuntimeApi {
  public:
    using Headers = std::map<std::string, std::string>;

    explicit RuntimeApi(const std::string& address) : address_(address), socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
        const auto colon = address.find(':');
        sockaddr_in place{};
        place.sin_family = AF_INET;
        place.sin_port = htons(static_cast<unsigned short>(std::stoi(address.substr(colon + 1))));
        inet_pton(AF_INET, address.substr(0, colon).c_str(), &place.sin_addr);
        const int yes = 1;
        setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        if (connect(socket_, reinterpret_cast<sockaddr*>(&place), sizeof place) != 0) std::exit(1);
    }

    std::string next(Headers& headers) { return request("GET", "/next", "", headers); }

    void respond(const std::string& id, const std::string& body) {
        Headers ignored;
        request("POST", "/" + id + "/response", body, ignored);
    }

    void fail(const std::string& id, const std::string& body) {
        Headers ignored;
        request("POST", "/" + id + "/error", body, ignored);
    }

  private:
    std::string request(const char* method, const std::string& path, const std::string& body, Headers& headers) {
        send(std::string(method) + " /2018-06-01/runtime/invocation" + path + " HTTP/1.1\r\nHost: " + address_ +
             "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
        line();  // The status.
        for (std::string text = line(); !text.empty(); text = line()) {
            const auto colon = text.find(':');
            std::string name = text.substr(0, colon);
            for (char& letter : name) letter = static_cast<char>(std::tolower(letter));
            headers[name] = text.substr(text.find_first_not_of(' ', colon + 1));
        }
        const auto length = static_cast<std::size_t>(std::stoull(headers["content-length"]));
        while (received_.size() < length) receive();
        std::string found = received_.substr(0, length);
        received_.erase(0, length);
        return found;
    }

    std::string line() {
        auto end = received_.find("\r\n");
        for (; end == std::string::npos; end = received_.find("\r\n")) receive();
        std::string found = received_.substr(0, end);
        received_.erase(0, end + 2);
        return found;
    }

    void send(const std::string& data) {
        for (std::size_t sent = 0; sent < data.size();) {
            const auto count = ::write(socket_, data.data() + sent, data.size() - sent);
            if (count <= 0) std::exit(1);
            sent += static_cast<std::size_t>(count);
        }
    }

    void receive() {
        char buffer[65536];
        const auto count = ::read(socket_, buffer, sizeof buffer);
        if (count <= 0) std::exit(1);  // Lambda has ended this environment.
        received_.append(buffer, static_cast<std::size_t>(count));
    }

    std::string address_, received_;
    int socket_;
};

inline std::string quoted(const std::string& text) {
    std::string found = "\"";
    for (const char letter : text) {
        if (letter == '"' || letter == '\\') found += '\\';
        if (static_cast<unsigned char>(letter) >= ' ') found += letter;
    }
    return found + "\"";
}

[[noreturn]] inline void run(const Handler& handler) {
    std::cout << std::unitbuf;
    RuntimeApi api(std::getenv("AWS_LAMBDA_RUNTIME_API"));
    for (;;) {
        RuntimeApi::Headers headers;
        const std::string event = api.next(headers);
        const Context context{headers["lambda-runtime-aws-request-id"], headers["lambda-runtime-invoked-function-arn"],
                              std::stoll(headers["lambda-runtime-deadline-ms"])};
        try {
            api.respond(context.request_id, handler(event, context));
        } catch (const std::exception& error) {
            std::cout << "ERROR " << error.what() << std::endl;
            api.fail(context.request_id, "{\"errorMessage\":" + quoted(error.what()) + ",\"errorType\":\"std::exception\"}");
        }
    }
}

}  // namespace lambda
