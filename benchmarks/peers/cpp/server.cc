// Lookup in C++: numbers in a hash map, gRPC's callback server. The ceiling for gRPC.
#include <grpcpp/grpcpp.h>

#include <cctype>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <unordered_map>

#include "router/v1/inbound.grpc.pb.h"

namespace pb = router::v1;

// The North American habit; no dial plans.
static std::string e164(const std::string &text) {
  if (!text.empty() && text[0] == '+') return text;
  std::string digits;
  for (unsigned char sign : text)
    if (std::isdigit(sign)) digits += static_cast<char>(sign);
  return (digits.size() == 10 ? "+1" : "+") + digits;
}

class Router final : public pb::InboundRouter::CallbackService {
 public:
  // Every answer, as benchmarks/arena.py writes them: length, R or X, message.
  bool Load(const char *name) {
    std::ifstream file(name, std::ios::binary);
    unsigned char head[5];
    std::string bytes;
    while (file.read(reinterpret_cast<char *>(head), 5)) {
      bytes.resize(static_cast<uint32_t>(head[0]) << 24 | head[1] << 16 | head[2] << 8 | head[3]);
      if (!file.read(&bytes[0], static_cast<std::streamsize>(bytes.size()))) return false;
      if (head[4] == 'R') {
        pb::LookupResponse route;
        if (!route.ParseFromString(bytes)) return false;
        std::string number = route.number();
        routes_.emplace(std::move(number), std::move(route));
      } else {
        pb::Refusal refusal;
        if (!refusal.ParseFromString(bytes)) return false;
        refusals_.emplace(refusal.number(), refusal.message());
      }
    }
    return !routes_.empty();
  }

  grpc::ServerUnaryReactor *Lookup(grpc::CallbackServerContext *context, const pb::LookupRequest *request,
                                   pb::LookupResponse *response) override {
    auto *reactor = context->DefaultReactor();
    const std::string number = e164(request->number());
    auto found = routes_.find(number);
    if (found != routes_.end()) {
      *response = found->second;
      reactor->Finish(grpc::Status::OK);
      return reactor;
    }
    auto refusal = refusals_.find(number);
    if (refusal != refusals_.end())
      reactor->Finish(grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, refusal->second));
    else
      reactor->Finish(grpc::Status(grpc::StatusCode::NOT_FOUND, "there is no number " + number));
    return reactor;
  }

 private:
  std::unordered_map<std::string, pb::LookupResponse> routes_;
  std::unordered_map<std::string, std::string> refusals_;
};

static std::string Contents(const char *name) {
  std::ifstream file(name, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

static std::shared_ptr<grpc::ServerCredentials> Tls(const char *certificate, const char *key) {
  grpc::SslServerCredentialsOptions options;
  options.pem_key_cert_pairs.push_back({Contents(key), Contents(certificate)});
  return grpc::SslServerCredentials(options);
}

int main(int argc, char **argv) {
  Router router;
  if ((argc != 3 && argc != 5) || !router.Load(argv[2])) {
    std::cerr << "usage: server PORT ANSWERS [CERTIFICATE KEY]" << std::endl;
    return 2;
  }
  grpc::ServerBuilder builder;
  builder.AddListeningPort(std::string("127.0.0.1:") + argv[1],
                           argc == 5 ? Tls(argv[3], argv[4]) : grpc::InsecureServerCredentials());
  builder.RegisterService(&router);
  auto server = builder.BuildAndStart();
  if (!server) return 1;
  server->Wait();
}
