package mongo_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sojourn-go/sojourn/mongo"
	"github.com/sojourn-go/sojourn/mongo/mongotest"
	"github.com/sojourn-go/sojourn/store"
)

// answering is a server that answers each command with the same document, as no server here
// can be had that does: one of an old version, or a secondary.
func answering(t *testing.T, answer bson.D) (url string) {
	t.Helper()
	doc, err := bson.Marshal(append(answer, bson.E{Key: "ok", Value: 1}))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for {
					head := make([]byte, 16)
					if _, err := io.ReadFull(c, head); err != nil {
						return
					}
					if _, err := io.CopyN(io.Discard, c, int64(binary.LittleEndian.Uint32(head))-16); err != nil {
						return
					}
					var reply []byte
					if op := binary.LittleEndian.Uint32(head[12:]); op == 2004 { // OP_QUERY: the first hello; its answer is an OP_REPLY
						reply = append(make([]byte, 36), doc...)
						binary.LittleEndian.PutUint32(reply[12:], 1)
						binary.LittleEndian.PutUint32(reply[16:], 8)
						binary.LittleEndian.PutUint32(reply[32:], 1)
					} else {
						reply = append(make([]byte, 21), doc...)
						binary.LittleEndian.PutUint32(reply[12:], 2013)
					}
					binary.LittleEndian.PutUint32(reply, uint32(len(reply)))
					copy(reply[8:], head[4:8])
					if _, err := c.Write(reply); err != nil {
						return
					}
				}
			}()
		}
	}()
	return "mongodb://" + l.Addr().String() + "/app?directConnection=true"
}

// A server in which sessions cannot be kept, or that is not the one to ask, is refused when
// a store is opened, migrated or pinged.
func TestUnfitServers(t *testing.T) {
	for name, c := range map[string]struct {
		answer bson.D
		says   string
		waits  bool // for an election to end
	}{
		"old": {bson.D{{Key: "isWritablePrimary", Value: true}, {Key: "maxWireVersion", Value: 9}, {Key: "minWireVersion", Value: 0}}, "older than MongoDB 5.0", false},
		"secondary": {bson.D{
			{Key: "isWritablePrimary", Value: false},
			{Key: "secondary", Value: true},
			{Key: "setName", Value: "rs"},
			{Key: "hosts", Value: bson.A{"h:1"}},
			{Key: "maxWireVersion", Value: 25},
			{Key: "minWireVersion", Value: 0},
		}, "not the primary", true},
	} {
		t.Run(name, func(t *testing.T) {
			url := answering(t, append(c.answer, bson.E{Key: "localTime", Value: time.Now()}))
			_, err := store.Open(t.Context(), url+"&timeout=200ms", mongo.Opener)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("Open: got %v, want that it says %q", err, c.says)
			}
			s, err := mongo.New(mongotest.Client(t, url, nil).Database("app").Collection("sessions"), &mongo.Options{Timeout: 200 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for what, err := range map[string]error{"ping": s.Ping(t.Context()), "migrate": s.Migrate(t.Context())} {
				if err == nil || !strings.Contains(err.Error(), c.says) || errors.Is(err, context.DeadlineExceeded) != c.waits {
					t.Errorf("%s: got %v, want that it says %q", what, err, c.says)
				}
			}
		})
	}
}

func TestNewWithoutCollection(t *testing.T) {
	if _, err := mongo.New(nil, nil); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}
