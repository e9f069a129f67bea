package frameworks_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/sojourn-go/sojourn/session"
)

const service = "/visits.v1.Visits/"

type (
	empty = emptypb.Empty
	text  = wrapperspb.StringValue
)

// connect's handlers have a context. The messages are ones that every program has.
func connectOutside(_ *testing.T, sessions *session.Manager) http.Handler {
	mux := http.NewServeMux()
	unary := func(method string, f func(context.Context, *connect.Request[empty]) (*connect.Response[text], error)) {
		mux.Handle(service+method, connect.NewUnaryHandler(service+method, f))
	}
	unary("Visit", func(ctx context.Context, _ *connect.Request[empty]) (*connect.Response[text], error) {
		s, err := session.From(ctx)
		if err != nil {
			return nil, connect.NewError(connect.CodeUnavailable, err)
		}
		return connect.NewResponse(wrapperspb.String(words(s))), nil
	})
	unary("Login", func(ctx context.Context, _ *connect.Request[empty]) (*connect.Response[text], error) {
		return connect.NewResponse(&text{}), login(ctx)
	})
	unary("Logout", func(ctx context.Context, _ *connect.Request[empty]) (*connect.Response[text], error) {
		return connect.NewResponse(&text{}), logout(ctx)
	})
	mux.Handle(service+"Stream", connect.NewServerStreamHandler(service+"Stream",
		func(ctx context.Context, _ *connect.Request[empty], stream *connect.ServerStream[text]) error {
			said, err := visit(ctx)
			if err != nil {
				return err
			}
			return errors.Join(stream.Send(wrapperspb.String(said)), stream.Send(wrapperspb.String(" and more")))
		}))
	return sessions.Handler(mux)
}

var grpc = connect.WithGRPC()

type procedure struct {
	method  string
	stream  bool
	options []connect.ClientOption
}

func call(o ...connect.ClientOption) page               { return procedure{"Visit", false, o} }
func stream(o ...connect.ClientOption) page             { return procedure{"Stream", true, o} }
func rpc(method string, o ...connect.ClientOption) page { return procedure{method, false, o} }

func (p procedure) String() string { return p.method }

func (p procedure) ask(x *site, b *http.Client) (said string, err error) {
	client := connect.NewClient[empty, text](b, x.srv.URL+service+p.method, p.options...)
	req := connect.NewRequest(&empty{})
	if p.stream {
		var s *connect.ServerStreamForClient[text]
		if s, err = client.CallServerStream(x.t.Context(), req); err == nil {
			defer s.Close()
			for s.Receive() {
				said += s.Msg().GetValue()
			}
			err = s.Err()
		}
	} else {
		var res *connect.Response[text]
		if res, err = client.CallUnary(x.t.Context(), req); err == nil {
			said = res.Msg.GetValue()
		}
	}
	if connect.CodeOf(err) == connect.CodeUnavailable {
		err = refused(http.StatusServiceUnavailable)
	}
	return said, err
}
