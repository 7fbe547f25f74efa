// The roles of the benchmark on Proton's C++ binding: proton receive|send|respond|request HOST PORT COUNT SIZE CREDIT WARM
// It says the same lines of JSON as tests/benchmarks/worker.py.
#include <proton/connection.hpp>
#include <proton/connection_options.hpp>
#include <proton/container.hpp>
#include <proton/delivery.hpp>
#include <proton/listen_handler.hpp>
#include <proton/listener.hpp>
#include <proton/message.hpp>
#include <proton/message_id.hpp>
#include <proton/messaging_handler.hpp>
#include <proton/receiver.hpp>
#include <proton/receiver_options.hpp>
#include <proton/sender.hpp>
#include <proton/sender_options.hpp>
#include <proton/source_options.hpp>
#include <proton/target_options.hpp>
#include <proton/tracker.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

namespace {

double seconds(clockid_t clock) {
    timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}
double now() { return seconds(CLOCK_MONOTONIC); }
double cpu() { return seconds(CLOCK_PROCESS_CPUTIME_ID); }

void say(const std::string& line) {
    std::fputs((line + "\n").c_str(), stdout);
    std::fflush(stdout);
}

struct Span {
    double first = 0, last = 0, used = 0;
    void start() { first = now(); used = cpu(); }
    void stop() { last = now(); used = cpu() - used; }
    void report(const std::string& more = "") const {
        char text[400];
        std::snprintf(text, sizeof text, "{\"report\": {\"first\": %.9f, \"last\": %.9f, \"cpu\": %.9f%s}}", first, last, used,
                      more.c_str());
        say(text);
    }
};

struct Task {
    std::string role, host, port;
    int count, size, credit, warm;
    std::string url() const { return "amqp://" + host + ":" + port; }
};

class Listening : public proton::messaging_handler {
  public:
    explicit Listening(const Task& task) : task(task), opened(*this) {}
    void on_container_start(proton::container& container) override {
        proton::connection_options options;
        options.handler(*this);
        opened.options = options;
        listener = container.listen(task.url(), opened);
    }
    void on_receiver_open(proton::receiver& receiver) override {
        receiver.open(proton::receiver_options().credit_window(task.credit).target(
            proton::target_options().address("benchmark")));
    }
    void on_transport_error(proton::transport&) override {}

  protected:
    struct Opened : proton::listen_handler {
        explicit Opened(Listening&) {}
        proton::connection_options options;
        proton::connection_options on_accept(proton::listener&) override { return options; }
        void on_open(proton::listener&) override { say("{\"started\": true}"); }
    };
    Task task;
    Opened opened;
    proton::listener listener;
    Span span;
};

class Receive : public Listening {
  public:
    using Listening::Listening;
    void on_transport_close(proton::transport&) override { listener.stop(); }
    void on_message(proton::delivery&, proton::message& message) override {
        if (received == task.warm) span.start();
        if (int(proton::get<std::string>(message.body()).size()) != task.size) std::abort();
        if (++received == task.count) {
            span.stop();
            span.report();
        }
    }

  private:
    int received = 0;
};

// It stays when its peer has gone, to be measured.
class Respond : public Listening {
  public:
    using Listening::Listening;
    void on_sender_open(proton::sender& sender) override {
        sender.open(proton::sender_options().source(proton::source_options().address("replies")));
        replies = sender;
    }
    void on_message(proton::delivery&, proton::message& request) override {
        proton::message reply(request.body());
        reply.to(request.reply_to());
        reply.correlation_id(request.correlation_id());
        replies.send(reply);
    }

  private:
    proton::sender replies;
};

class Send : public proton::messaging_handler {
  public:
    explicit Send(const Task& task) : task(task), body(task.size, 'x') {}
    void on_container_start(proton::container& container) override {
        container.connect(task.url(), proton::connection_options().handler(*this));
    }
    void on_connection_open(proton::connection& connection) override { connection.open_sender("benchmark"); }
    void on_sender_open(proton::sender&) override { say("{\"started\": true}"); }
    void on_sendable(proton::sender& sender) override {
        if (began < 0 && sent >= task.warm) {
            began = sent;
            span.start();
        }
        for (; sent < task.count && sender.credit() > 0; ++sent) sender.send(proton::message(body));
    }
    void on_tracker_accept(proton::tracker& tracker) override {
        if (++confirmed == task.count) {
            span.stop();
            span.report(", \"began\": " + std::to_string(began));
            tracker.connection().close();
        }
    }

  private:
    Task task;
    std::string body;
    Span span;
    int sent = 0, confirmed = 0, began = -1;
};

class Request : public proton::messaging_handler {
  public:
    explicit Request(const Task& task) : task(task), body(task.size, 'x') {}
    void on_container_start(proton::container& container) override {
        container.connect(task.url(), proton::connection_options().handler(*this));
    }
    void on_connection_open(proton::connection& connection) override {
        sender = connection.open_sender("benchmark");
        connection.open_receiver("", proton::receiver_options().source(proton::source_options().dynamic(true)));
    }
    void on_receiver_open(proton::receiver& receiver) override { reply_to = receiver.source().address(); }
    void on_sendable(proton::sender&) override {
        if (times.empty() && !asked) {
            say("{\"started\": true}");
            ask();
        }
    }
    void on_message(proton::delivery& delivery, proton::message&) override {
        times.push_back(now() - asked);
        if (int(times.size()) < task.count) {
            ask();
            return;
        }
        span.stop();
        times.erase(times.begin(), times.begin() + task.warm);
        std::sort(times.begin(), times.end());
        const double p50 = times[times.size() / 2], p99 = times[times.size() * 99 / 100];
        char more[100];
        std::snprintf(more, sizeof more, ", \"p50\": %.9f, \"p99\": %.9f", p50, p99);
        span.report(more);
        delivery.connection().close();
    }

  private:
    void ask() {
        if (int(times.size()) == task.warm) span.start();
        proton::message message(body);
        message.reply_to(reply_to);
        message.correlation_id(proton::message_id(uint64_t(times.size())));
        asked = now();
        sender.send(message);
    }
    Task task;
    std::string body, reply_to;
    proton::sender sender;
    Span span;
    double asked = 0;
    std::vector<double> times;
};

void answer() {
    for (std::string word; std::cin >> word;) {
        char text[200];
        std::snprintf(text, sizeof text, "{\"cpu\": %.9f, \"memory\": 0, \"now\": %.9f}", cpu(), now());
        if (word == "measure") say(text);
    }
    std::_Exit(0);
}

template <class Role> void run(const Task& task) {
    Role role(task);
    proton::container(role).run();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 8) return 2;
    const auto number = [argv](int at) { return std::atoi(argv[at]); };
    const Task task{argv[1], argv[2], argv[3], number(4), number(5), number(6), number(7)};
    std::thread(answer).detach();
    if (task.role == "receive") run<Receive>(task);
    else if (task.role == "send") run<Send>(task);
    else if (task.role == "respond") run<Respond>(task);
    else if (task.role == "request") run<Request>(task);
    else return 2;
    return 0;
}
