package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/internal/proxy"
	"github.com/sojourn-go/sojourn/postgres/postgrestest"
	"github.com/sojourn-go/sojourn/store"
)

// What a repeat was refused for says nothing of the first attempt.
func TestRefusedRepeatIsUnknown(t *testing.T) {
	x := newTable(t, shared.URL(t))
	p, pool := x.behind(t)
	s := x.open(t, pool)
	v := create(t, s, "a", "")
	fn := `"` + x.opts.Table + `_full"`
	t.Cleanup(func() { _, _ = x.pool.Exec(context.Background(), `DROP TABLE `+x.name()+`; DROP FUNCTION `+fn) })
	undo := p.Fail(proxy.Fault{Kind: proxy.LoseReply, Between: func() {
		x.exec(t, `UPDATE `+x.name()+` SET revision = `+fmt.Sprint(int64(v))) // the first attempt was not applied
		x.exec(t, `CREATE FUNCTION `+fn+`() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'full' USING ERRCODE = '53100'; END $$`)
		x.exec(t, `CREATE TRIGGER zz BEFORE UPDATE ON `+x.name()+` FOR EACH ROW EXECUTE FUNCTION `+fn+`()`)
	}})
	_, err := s.Update(t.Context(), "a", store.Record{}, time.Hour, v)
	if undo() != 1 {
		t.Fatal("the fault never struck")
	}
	if !errors.Is(err, store.ErrUnknown) || errors.Is(err, store.ErrFull) || sqlstate(err) != "53100" {
		t.Errorf("got %v, want ErrUnknown with the server's 53100, and not ErrFull", err)
	}
}

// A server that cannot be reached is an error at once, but not where a reply was lost
// before: what became of that write is worth waiting for.
func TestUnreachableAfterALostReply(t *testing.T) {
	x := newTable(t, shared.URL(t))
	p, pool := x.behind(t)
	x.opts.Timeout = 20 * time.Second
	s := x.open(t, pool)
	v := create(t, s, "a", "1")
	refused := make(chan int, 1)
	lost := p.Fail(proxy.Fault{Kind: proxy.LoseReply, Between: func() {
		undo := p.Fail(proxy.Fault{Kind: proxy.Refuse})
		time.AfterFunc(200*time.Millisecond, func() { refused <- undo() })
	}})
	if _, err := s.Update(t.Context(), "a", store.Record{Data: []byte("2")}, time.Hour, v); err != nil {
		t.Errorf("update: %v", err)
	}
	if n, m := lost(), <-refused; n != 1 || m == 0 {
		t.Errorf("%d replies were lost, %d dials refused", n, m)
	}
	if e, err := s.Load(t.Context(), "a"); err != nil || string(e.Data) != "2" {
		t.Errorf("%q, %v", e.Data, err)
	}
}

// A connection to what became a standby is given up, so that the next one finds the
// primary.
func TestReadOnlyConnectionIsGivenUp(t *testing.T) {
	x := newTable(t, shared.URL(t))
	role, url := x.user(t)
	x.exec(t, `ALTER ROLE "`+role+`" SET default_transaction_read_only = on`)
	s := x.open(t, postgrestest.Pool(t, url, nil))
	if _, err := s.Create(t.Context(), "a", store.Record{}, time.Hour); sqlstate(err) != "25006" {
		t.Fatalf("got %v, want the server's 25006", err)
	}
	x.exec(t, `ALTER ROLE "`+role+`" RESET default_transaction_read_only`)
	create(t, s, "a", "")
}
