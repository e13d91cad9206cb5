// Lookup in Go: numbers in a map, or a GET a call. grpc-go as it comes.
package main

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"regexp"
	"strings"

	pb "did-router-peer/router/v1"

	"github.com/golang/protobuf/proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"gopkg.in/redis.v5"
)

// Where an entry of Redis has its kind (behind the version), and where its message begins.
var version = flag.Int("version", 0, "bytes of an entry's version")
var header = flag.Int("header", 0, "bytes of an entry's header")

type server struct {
	pb.UnimplementedInboundRouterServer
	routes   map[string]*pb.LookupResponse
	refusals map[string]*pb.Refusal
	redis    *redis.Client
}

func (s *server) Lookup(_ context.Context, request *pb.LookupRequest) (*pb.LookupResponse, error) {
	number := e164(request.Number)
	if s.redis != nil {
		return s.fromRedis(number)
	}
	if found, ok := s.routes[number]; ok {
		return found, nil
	}
	if refusal, ok := s.refusals[number]; ok {
		return nil, status.Error(codes.FailedPrecondition, refusal.Message)
	}
	return nil, status.Errorf(codes.NotFound, "there is no number %s", number)
}

func (s *server) fromRedis(number string) (*pb.LookupResponse, error) {
	if len(number) < 5 {
		return nil, status.Error(codes.InvalidArgument, "not a number")
	}
	value, err := s.redis.Get("did-router:{" + number[:5] + "}" + number[5:]).Bytes()
	if err != nil && err != redis.Nil {
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	if err == redis.Nil || len(value) < *header || value[*version] == 'N' || value[*version] == 'T' {
		return nil, status.Errorf(codes.NotFound, "there is no number %s", number)
	}
	if value[*version] == 'X' {
		var refusal pb.Refusal
		if err := proto.Unmarshal(value[*header:], &refusal); err != nil {
			return nil, status.Error(codes.DataLoss, err.Error())
		}
		return nil, status.Error(codes.FailedPrecondition, refusal.Message)
	}
	answer := new(pb.LookupResponse)
	if err := proto.Unmarshal(value[*header:], answer); err != nil {
		return nil, status.Error(codes.DataLoss, err.Error())
	}
	answer.Number = number
	answer.Revision = fmt.Sprintf("%d-%s", binary.BigEndian.Uint32(value), hex.EncodeToString(value[4:*version]))
	answer.Source = pb.Source_REDIS
	return answer, nil
}

var notDigits = regexp.MustCompile(`\D`)

// The North American habit; no dial plans.
func e164(text string) string {
	if strings.HasPrefix(text, "+") {
		return text
	}
	digits := notDigits.ReplaceAllString(text, "")
	if len(digits) == 10 {
		return "+1" + digits
	}
	return "+" + digits
}

// Every answer, as benchmarks/arena.py writes them: length, R or X, message.
func (s *server) load(name string) error {
	bytes, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	s.routes, s.refusals = map[string]*pb.LookupResponse{}, map[string]*pb.Refusal{}
	for at := 0; at < len(bytes); {
		if at+5 > len(bytes) {
			return io.ErrUnexpectedEOF
		}
		end := at + 5 + int(binary.BigEndian.Uint32(bytes[at:]))
		if bytes[at+4] == 'R' {
			route := new(pb.LookupResponse)
			err = proto.Unmarshal(bytes[at+5:end], route)
			s.routes[route.Number] = route
		} else {
			refusal := new(pb.Refusal)
			err = proto.Unmarshal(bytes[at+5:end], refusal)
			s.refusals[refusal.Number] = refusal
		}
		if err != nil {
			return err
		}
		at = end
	}
	return nil
}

func main() {
	port := flag.Int("port", 0, "where to listen on 127.0.0.1")
	address := flag.String("redis", "", "host:port of Redis, for a GET a call")
	answers := flag.String("answers", "", "file of answers, for a map")
	certificate := flag.String("certificate", "", "PEM file, with -key: TLS")
	key := flag.String("key", "", "PEM file")
	flag.Parse()
	s := new(server)
	if *address != "" {
		s.redis = redis.NewClient(&redis.Options{Addr: *address, PoolSize: 64})
	} else if err := s.load(*answers); err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *port))
	if err != nil {
		log.Fatal(err)
	}
	var options []grpc.ServerOption
	if *certificate != "" {
		secure, err := credentials.NewServerTLSFromFile(*certificate, *key)
		if err != nil {
			log.Fatal(err)
		}
		options = append(options, grpc.Creds(secure))
	}
	g := grpc.NewServer(options...)
	pb.RegisterInboundRouterServer(g, s)
	log.Fatal(g.Serve(listener))
}
