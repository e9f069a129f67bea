package proxy_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/sojourn-go/sojourn/internal/proxy"
)

func i32(n int) string { return string(binary.LittleEndian.AppendUint32(nil, uint32(n))) }
func i64(n int) string { return string(binary.LittleEndian.AppendUint64(nil, uint64(n))) }

// doc is a document in BSON, of elements.
func doc(elements ...string) string {
	all := strings.Join(elements, "")
	return i32(len(all)+5) + all + "\x00"
}

// Elements of a document.
func elem(kind, key, value string) string { return kind + key + "\x00" + value }
func number(key string, n int) string     { return elem("\x10", key, i32(n)) }
func words(key, s string) string          { return elem("\x02", key, i32(len(s)+1)+s+"\x00") }
func inner(key, doc string) string        { return elem("\x03", key, doc) }
func list(key, doc string) string         { return elem("\x04", key, doc) }
func double(key string, f float64) string {
	return elem("\x01", key, i64(int(math.Float64bits(f))))
}

// wire is a message. msg is one that holds a document, and sections before or after it.
func wire(op int, body string) string {
	return i32(len(body)+16) + "\x01\x00\x00\x00" + i32(0) + i32(op) + body
}

func msg(flags int, sections ...string) string {
	return wire(2013, i32(flags)+strings.Join(sections, ""))
}
func body(elements ...string) string { return "\x00" + doc(elements...) }
func sequence(docs ...string) string {
	all := "documents\x00" + strings.Join(docs, "")
	return "\x01" + i32(len(all)+4) + all
}

func says(name string) string           { return msg(0, body(words(name, "sessions"), words("$db", "test"))) }
func answers(elements ...string) string { return msg(0, body(elements...)) }
func opQuery(doc string) string         { return wire(2004, i32(4)+"admin.$cmd\x00"+i32(0)+i32(-1)+doc) }

func opReply(flags int, docs string) string  { return wire(1, i32(flags)+i64(0)+i32(0)+i32(1)+docs) }
func compressed(op int, stuff string) string { return wire(2012, i32(op)+i32(100)+"\x02"+stuff) }

const (
	checksum = 1 << 0
	more     = 1 << 1
	exhaust  = 1 << 16
)

// say are several commands.
func say(names string) (s string) {
	for name := range strings.FieldsSeq(names) {
		s += says(name)
	}
	return s
}

// everything is one element of each kind.
var everything = []string{
	double("ok", 1), words("a", "\x00b"), inner("c", doc(number("ok", 0))), list("d", doc()),
	elem("\x05", "e", i32(3)+"\x00abc"), elem("\x05", "f", i32(0)+"\x02"), elem("\x06", "g", ""), elem("\x07", "h", "0123456789ab"),
	elem("\x08", "i", "\x01"), elem("\x09", "j", i64(1)), elem("\x0a", "k", ""), elem("\x0b", "l", "a.*\x00i\x00"), elem("\x0b", "m", "\x00\x00"),
	elem("\x0c", "n", i32(2)+"a\x000123456789ab"), elem("\x0d", "o", i32(2)+"f\x00"), elem("\x0e", "p", i32(1)+"\x00"),
	elem("\x0f", "q", i32(4+6+5)+i32(2)+"f\x00"+doc()), number("r", 1), elem("\x11", "s", i64(1)), elem("\x12", "t", i64(1)),
	elem("\x13", "u", i64(1)+i64(1)), elem("\xff", "v", ""), elem("\x7f", "w", ""), number("last", 1),
}

// marks are what a splitter made of each frame, without its first letter.
func marks(frames []string) string {
	for i := range frames {
		if frames[i] = frames[i][1:]; frames[i] == "" {
			frames[i] = "-"
		}
	}
	return strings.Join(frames, " ")
}

// What clients say, and what it is to the proxy.
var mongoRequests = []struct{ stream, want string }{
	{
		say("find getMore aggregate count ping hello isMaster saslStart commitTransaction abortTransaction endSessions listIndexes INSERT Update inserts"),
		strings.TrimSpace(strings.Repeat("? ", 15)),
	},
	{
		say("insert update delete findAndModify findandmodify bulkWrite create createIndexes drop dropIndexes deleteIndexes dropDatabase renameCollection collMod"),
		strings.TrimSpace(strings.Repeat("w? ", 14)),
	},
	{answers(words("find", "insert"), words("insert", "a"), inner("update", doc(words("insert", "a")))) + answers(number("delete", 1)), "? w?"},
	{msg(more, body(words("insert", "a"))) + say("find") + msg(exhaust, body(words("hello", ""))) + msg(more, body(number("find", 1))), "w ? ? -"},
	{msg(0, sequence(doc(words("find", "a")), doc()), body(words("insert", "a"))) + msg(0, body(words("find", "a")), sequence(), sequence(doc(words("insert", "a")))), "w? ?"},
	{msg(checksum, body(words("update", "a")), "\x00\x01\x02\x03") + msg(checksum|more, body(words("update", "a")), sequence(doc()), "\x00\x00\x00\x00"), "w? w"},
	{msg(0, body()) + msg(0, body(append([]string{number("drop", 1)}, everything...)...)), "? w?"},
	{opQuery(doc(number("isMaster", 1))) + opQuery(doc(words("insert", "a"))) + compressed(2013, says("insert")[16:]) + wire(2012, "") + say("insert"), "? ? ? ? w?"},
	{answers(words("insert", strings.Repeat("a", 300_000))) + answers(words("find", strings.Repeat("a", 300_000))), "w? ?"},
}

func TestMongoRequests(t *testing.T) {
	for _, c := range mongoRequests {
		for _, r := range readers(c.stream) {
			if got := marks(asked(t, proxy.Mongo(), r, c.stream)); got != c.want {
				t.Errorf("%.200q: got %q, want %q", c.stream, got, c.want)
			}
		}
	}
}

func writeErrors(codes ...int) string {
	var errs []string
	for i, code := range codes {
		errs = append(errs, inner(fmt.Sprint(i), doc(number("index", i), number("code", code), words("errmsg", "E"))))
	}
	return list("writeErrors", doc(errs...))
}

// What servers say, and what it is to the proxy.
var mongoReplies = []struct{ stream, want string }{
	{answers(number("n", 1), double("ok", 1)) + answers(number("ok", 1)) + answers(elem("\x12", "ok", i64(1))) + answers(elem("\x08", "ok", "\x01")), ". . . ."},
	{answers(double("ok", 0)) + answers(number("ok", 0)) + answers(elem("\x12", "ok", i64(0))) + answers(elem("\x08", "ok", "\x00")), ".! .! .! .!"},
	{answers(words("ok", "1")) + answers(number("ok", 2)), ".! .!"},
	{answers() + answers(number("n", 1)) + answers(inner("a", doc(number("ok", 1)))) + answers(inner("a", doc(number("ok", 0))), number("ok", 1)), ".! .! .! ."},
	{answers(double("ok", 0), words("errmsg", "no"), number("code", 112)) + answers(double("ok", 0), number("code", 11000)) + answers(number("code", 11000)), ".! . ."},
	{answers(number("ok", 1), writeErrors(11000)) + answers(writeErrors(11000, 11000), number("ok", 1)) + answers(number("ok", 1), writeErrors()), ". . ."},
	{answers(number("ok", 1), writeErrors(121)) + answers(number("ok", 1), writeErrors(11000, 121)) + answers(writeErrors(121, 11000), number("ok", 1)), ".! .! .!"},
	{answers(number("ok", 1), list("writeErrors", doc(inner("0", doc(double("code", 11000))), inner("1", doc()))), number("code", 11000)), ".!"},
	{
		answers(inner("writeConcernError", doc(number("code", 64))), number("ok", 1)) + answers(writeErrors(11000), inner("writeConcernError", doc()), number("ok", 1)) +
			answers(elem("\x0a", "writeConcernError", ""), elem("\x0a", "writeErrors", ""), number("ok", 1)),
		".! .! .",
	},
	{msg(more, body(number("ok", 1))) + msg(more, body(number("ok", 0))) + answers(number("ok", 1)), "- ! ."},
	{opReply(0, doc(double("ok", 1))) + opReply(more, doc(words("$err", "no"))) + opReply(8, doc(double("ok", 0))) + opReply(more, doc(double("ok", 1))), ". .! .! ."},
	{compressed(2013, "\xff\xff") + compressed(1, "") + answers(number("ok", 1)), ". . ."},
	{msg(checksum, body(number("ok", 1)), "\x00\x01\x02\x03") + msg(0, sequence(doc(number("ok", 0))), body(number("ok", 1))), ". ."},
	{answers(everything...) + answers(everything[1:]...), ". .!"},
	{answers(words("a", strings.Repeat("a", 300_000)), number("ok", 1)) + answers(number("ok", 1)), ". ."},
}

func TestMongoReplies(t *testing.T) {
	for _, c := range mongoReplies {
		for _, r := range readers(c.stream) {
			got, all, err := answered(proxy.Mongo(), r)
			if marks(got) != c.want || all != c.stream || err != io.EOF {
				t.Errorf("%.200q: got %q of %d bytes, %v, want %q of %d", c.stream, got, len(all), err, c.want, len(c.stream))
			}
		}
	}
}

// A stream may end anywhere. What was there is handed on, and nothing of it is complete
// that is not.
func TestMongoCut(t *testing.T) {
	for _, c := range mongoReplies {
		for n := range min(len(c.stream), 500) {
			cut := c.stream[:n]
			got, all, err := answered(proxy.Mongo(), whole(cut))
			if all != cut || !errors.Is(err, io.EOF) || !strings.HasPrefix(c.want, marks(got)) {
				t.Errorf("%.200q, cut at %d: got %q and %q, %v", c.stream, n, got, all, err)
			}
		}
	}
	for _, c := range mongoRequests {
		for n := range min(len(c.stream), 500) {
			got := strings.TrimSuffix(marks(asked(t, proxy.Mongo(), whole(c.stream[:n]), c.stream[:n])), "-")
			if !strings.HasPrefix(c.want, got) {
				t.Errorf("%.200q, cut at %d: got %q, want no more than %q", c.stream, n, got, c.want)
			}
		}
	}
}

func TestMongoEncryption(t *testing.T) {
	secret := "\x16\x03\x01 no frames, but bytes that are not for us \xff\xff\xff\xff"
	for _, read := range []func(string) *bufio.Reader{whole, torn} {
		s := proxy.Mongo()
		for range 2 {
			if got := strings.Join(asked(t, s, read(secret), secret), ""); strings.ContainsAny(got, "w?") {
				t.Errorf("from the client: %q", got)
			}
			got, all, err := answered(s, read(secret))
			if strings.ContainsAny(strings.Join(got, ""), ".!") || all != secret || err != io.EOF {
				t.Errorf("from the server: %q, %q, %v", got, all, err)
			}
		}
	}
	s := proxy.Mongo()
	_, _ = s.Request(whole(says("ping")))
	if q, err := s.Request(whole(secret)); err == nil {
		t.Errorf("TLS in the middle: %q, want an error", q.Bytes)
	}
	// Whoever waited for the reply since before knows.
	p := raw(t, func(c *net.TCPConn) { _, _ = io.CopyN(c, c, int64(len(secret))) })
	p.SetProtocol(proxy.Mongo)
	c := dial(t, p)
	c.silent()
	c.send(secret)
	c.gets(secret)
	// A length may begin like TLS.
	for _, size := range []int{0x16, 0x116, 0x316, 0x416} {
		hello := compressed(2013, strings.Repeat("a", size-16))
		if size > 0x16 {
			hello = answers(words("insert", strings.Repeat("a", size-39)))
		}
		hello = i32(size) + hello[4:size]
		if q, err := proxy.Mongo().Request(whole(hello)); string(q.Bytes) != hello || !q.Asks || q.Write != (size > 0x16) || err != nil {
			t.Errorf("a message of %d bytes: %d, %v", size, len(q.Bytes), err)
		}
	}
}

// unasked returns the first error that a splitter has with a client's stream, or with a
// server's.
func unasked(stream string) (err error) {
	for s, r := proxy.Mongo(), whole(stream); err == nil; {
		_, err = s.Request(r)
	}
	return err
}

func unanswered(stream string) error {
	_, _, err := answered(proxy.Mongo(), whole(stream))
	return err
}

// What is no message is an error.
func TestMongoNonsense(t *testing.T) {
	either := []string{
		session(), command("PING") + command("PING"), "HTTP/1.1 400 Bad Request\r\n\r\n", strings.Repeat("\x00", 16), strings.Repeat("\xff", 16),
		i32(15) + says("a")[4:], i32(15) + compressed(2013, "")[4:], i32(48_000_000+16<<10+1) + says("a")[4:], wire(0, ""), wire(2010, says("a")[16:]),
		msg(0), msg(0, sequence(doc())), msg(0, body(), body()), msg(0, body(), "\x02"+doc()), msg(0, body(), "\x00"), msg(0, body(), "\x01"+i32(4)),
		msg(0, body(), "\x01"+i32(6)+"\x00"), wire(2013, "\x00\x00\x00"), msg(checksum, ""), msg(checksum, "\x00\x00"), msg(checksum, body()),
		msg(0, "\x00"+i32(4)), msg(0, "\x00"+i32(-1)+"\x00"), msg(0, "\x00"+i32(5)+"\x01"), msg(0, "\x00"+i32(6)+"\x00"),
		answers("\x01"), answers("\x10a"), answers("\x14a\x00"), answers("\x00a\x00"), answers(elem("\x02", "a", i32(0))), answers(elem("\x14", "a", i32(20)+i64(0)+i64(0))),
	}
	for _, e := range everything { // none ends behind its document
		for n := 1; n < len(e); n++ {
			either = append(either, answers(e[:n]))
		}
	}
	for _, kind := range []string{"\x02", "\x03", "\x04", "\x05", "\x0c", "\x0d", "\x0e", "\x0f"} {
		for _, length := range []int{-1, math.MinInt32, math.MaxInt32, 1000} {
			either = append(either, answers(elem(kind, "a", i32(length)+strings.Repeat("\x00", 50))))
		}
	}
	requests := append([]string{opReply(0, doc()), says("a") + says("a") + wire(1, "")}, either...)
	replies := append([]string{
		opQuery(doc()), wire(1, ""), wire(1, strings.Repeat("\x00", 19)), opReply(0, ""), opReply(0, doc()[1:]), opReply(0, doc("\x10")),
		answers(list("writeErrors", doc(number("0", 1)))), answers(list("writeErrors", doc(inner("0", doc("\x10"))))), answers(list("writeErrors", doc("\x10"))),
	}, either...)
	var got []error
	for _, stream := range requests {
		got = append(got, fmt.Errorf("from the client, %.100q: %w", stream, unasked(stream)))
	}
	for _, stream := range replies {
		got = append(got, fmt.Errorf("from the server, %.100q: %w", stream, unanswered(stream)))
	}
	for _, err := range got {
		if errors.Is(err, io.EOF) || !strings.Contains(err.Error(), "mongo: ") {
			t.Errorf("%v, want an error of the protocol", err)
		}
	}
	if err := unasked(i32(48_000_000+16<<10) + says("a")[4:]); !errors.Is(err, io.EOF) {
		t.Errorf("as long as can be: %v", err)
	}
}

func TestMongoMemory(t *testing.T) {
	const size = 4 << 20
	for name, c := range map[string]struct {
		stream string
		most   uint64
	}{
		"announced": {i32(48_000_000) + says("a")[4:], 1 << 20},
		"long":      {answers(words("a", strings.Repeat("a", size))), 10 * size},
	} {
		s, r := proxy.Mongo(), bufio.NewReaderSize(strings.NewReader(c.stream), 4096)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		a, _ := s.Reply(r)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > c.most || len(a.Bytes) != len(c.stream) {
			t.Errorf("%s: %d bytes came of %d, and took %d, want at most %d", name, len(a.Bytes), len(c.stream), took, c.most)
		}
	}
}

// However a message is damaged, it is cut at the same places, and nothing of it is lost.
func FuzzMongo(f *testing.F) {
	for _, c := range slices.Concat(mongoRequests, mongoReplies) {
		f.Add(c.stream[:min(len(c.stream), 1000)])
	}
	f.Fuzz(func(t *testing.T, stream string) {
		if len(stream) > 2 && stream[:2] == "\x16\x03" && stream[2] > 0 {
			return // blind, it is cut as it comes
		}
		for name, next := range map[string]func(s proxy.Splitter, r *bufio.Reader) (piece any, b []byte, err error){
			"request": func(s proxy.Splitter, r *bufio.Reader) (any, []byte, error) {
				q, err := s.Request(r)
				return q, q.Bytes, err
			},
			"reply": func(s proxy.Splitter, r *bufio.Reader) (any, []byte, error) {
				a, err := s.Reply(r)
				return a, a.Bytes, err
			},
		} {
			var made []string
			for _, r := range readers(stream) {
				s, all, pieces := proxy.Mongo(), "", ""
				for {
					piece, b, err := next(s, r)
					all += string(b)
					pieces += fmt.Sprintln(piece, err)
					if errors.Is(err, io.EOF) && all != stream || !strings.HasPrefix(stream, all) || err == nil && len(b) == 0 {
						t.Fatalf("%s: %q of %q, %v", name, all, stream, err)
					}
					if err != nil {
						break
					}
				}
				made = append(made, pieces)
			}
			if made[0] != made[1] {
				t.Fatalf("%s: cut as\n%s\nand as\n%s", name, made[0], made[1])
			}
		}
	})
}

// Every single byte that is wrong, and every length of a body.
func TestMongoGarbled(t *testing.T) {
	for _, stream := range []string{answers(everything...), answers(writeErrors(11000), number("ok", 1)), opReply(0, doc(number("ok", 1)))} {
		for n := 16; n < len(stream); n++ {
			cut := i32(n) + stream[4:n]
			if err := unanswered(cut); errors.Is(err, io.EOF) {
				t.Errorf("%q: no error", cut)
			}
			for _, b := range []byte{0, 1, 4, 0x7f, 0x80, 0xff, stream[n] + 1, stream[n] - 1} {
				garbled := stream[:n] + string([]byte{b}) + stream[n+1:]
				_, _ = unanswered(garbled), unasked(garbled)
			}
		}
	}
}

// fakeMongo answers as a server does, and tells what it was told, and when a connection
// has ended.
func fakeMongo(t *testing.T, executed chan<- string) *proxy.Proxy {
	p := raw(t, func(c *net.TCPConn) {
		defer func() { executed <- "end" }()
		for r := bufio.NewReader(c); ; {
			head := make([]byte, 21)
			if _, err := io.ReadFull(r, head); err != nil {
				return
			}
			rest := make([]byte, binary.LittleEndian.Uint32(head)-21)
			if _, err := io.ReadFull(r, rest); err != nil {
				return
			}
			key, _, _ := bytes.Cut(rest[5:], []byte{0}) // of the first element
			name := string(key)
			executed <- name
			answer := mongoAnswers[name]
			if answer == "" {
				answer = answers(number("n", 1), words("a", "written"), double("ok", 1))
			}
			if head[16]&more == 0 {
				_, _ = io.WriteString(c, answer)
			}
		}
	})
	p.SetProtocol(proxy.Mongo)
	return p
}

var mongoAnswers = map[string]string{
	"find":   answers(words("a", "value"), double("ok", 1)),
	"hello":  msg(more, body(number("ok", 1))) + msg(more, body(number("ok", 1))) + answers(words("a", "last"), number("ok", 1)),
	"fail":   answers(double("ok", 0)),
	"exists": answers(writeErrors(11000), double("ok", 1)),
	"HTTP":   "HTTP/1.1 400 Bad Request\r\n",
}

func TestMongoFaults(t *testing.T) {
	executed := make(chan string, 100)
	p := fakeMongo(t, executed)
	statements := func() (got []string) {
		for s := range executed {
			if s == "end" {
				break
			}
			got = append(got, s)
		}
		return got
	}
	unanswered := msg(more, body(words("delete", "a")))
	for _, c := range []struct {
		before, write, after string
		want                 []string // is executed before the reply has ended
		lost                 []string // is executed without the write
	}{
		{"", says("insert"), "", []string{"insert"}, nil},
		{say("find hello find"), says("update"), say("find find"), []string{"find", "hello", "find", "update"}, []string{"find", "hello", "find"}},
		{say("find"), unanswered, say("ping ping"), []string{"find", "delete", "ping"}, []string{"find"}},
		{say("find hello"), msg(0, body(words("bulkWrite", "")), sequence(doc(), doc())), "", []string{"find", "hello", "bulkWrite"}, []string{"find", "hello"}},
	} {
		open := func() *client {
			conn := dial(t, p)
			conn.send(says("find"))
			conn.gets(mongoAnswers["find"])
			<-executed
			return conn
		}
		conn, between := open(), 0
		undo := p.Fail(proxy.Fault{Kind: proxy.LoseReply, Between: func() { between = len(executed) }})
		conn.send(c.before + c.write + c.after)
		b, err := io.ReadAll(conn)
		if !errors.Is(err, syscall.ECONNRESET) || bytes.Contains(b, []byte("written")) {
			t.Errorf("%v: got %q, %v, want ECONNRESET in place of the reply", c.want, b, err)
		}
		struck(t, undo, 1)
		if between < len(c.want) {
			t.Errorf("%v: %d were executed before Between", c.want, between)
		}
		if got := statements(); len(got) < len(c.want) || !slices.Equal(got[:len(c.want)], c.want) {
			t.Errorf("%v: %q was executed", c.want, got)
		}

		conn = open()
		undo = p.Fail(proxy.Fault{Kind: proxy.LoseRequest})
		conn.send(c.before + c.write + c.after)
		_, _ = io.Copy(io.Discard, conn)
		struck(t, undo, 1)
		if got := statements(); len(got) > len(c.lost) || !slices.Equal(got, c.lost[:len(got)]) {
			t.Errorf("%v: %q was executed, and the write should be lost", c.want, got)
		}
	}
}

func TestMongoErrorsAreCounted(t *testing.T) {
	p := fakeMongo(t, make(chan string, 100))
	undo := p.Fail(proxy.Fault{Kind: proxy.Errors})
	c := dial(t, p)
	c.send(say("fail exists find fail"))
	c.gets(mongoAnswers["fail"] + mongoAnswers["exists"] + mongoAnswers["find"] + mongoAnswers["fail"])
	struck(t, undo, 2)
}

// A server that speaks something else ends the connection, and Close says so.
func TestMongoOfAnotherServer(t *testing.T) {
	p := fakeMongo(t, make(chan string, 100))
	c := dial(t, p)
	c.send(say("find HTTP"))
	b, err := io.ReadAll(c)
	if !errors.Is(err, syscall.ECONNRESET) || !strings.HasPrefix(string(b), mongoAnswers["find"]) {
		t.Errorf("got %q, %v, want ECONNRESET after the value", b, err)
	}
	if err := p.Close(); err == nil || !strings.Contains(err.Error(), "mongo: ") {
		t.Errorf("Close: %v, want what is wrong", err)
	}
}
