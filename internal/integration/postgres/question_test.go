package postgres_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sojourn-go/sojourn/internal/proxy"
	"github.com/sojourn-go/sojourn/store"
)

// onQuestion calls do ahead of the next question "why".
type onQuestion struct{ do func() }

func (o *onQuestion) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	if strings.Contains(data.SQL, "SELECT CASE") && strings.Contains(data.SQL, "THEN revision") && o.do != nil {
		do := o.do
		o.do = nil
		do()
	}
	return ctx
}

func (*onQuestion) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// A write that was answered "nothing changed" has an outcome, whatever becomes of the
// question why.
func TestLostAnswerToTheQuestion(t *testing.T) {
	x := newTable(t, shared.URL(t))
	p, through := x.behind(t)
	config := through.Config()
	asked := &onQuestion{}
	config.ConnConfig.Tracer = asked
	config.MaxConns = 1
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	s := x.open(t, pool)
	v := create(t, s, "a", "")
	for what, c := range map[string]struct {
		call func() error
		want error
	}{
		"update of another revision":  {func() error { _, err := s.Update(t.Context(), "a", store.Record{}, time.Hour, v+1); return err }, store.ErrConflict},
		"update of what is not there": {func() error { _, err := s.Update(t.Context(), "b", store.Record{}, time.Hour, v); return err }, store.ErrNotFound},
		"create of what is there":     {func() error { _, err := s.Create(t.Context(), "a", store.Record{}, time.Hour); return err }, store.ErrExists},
	} {
		want(t, what, c.call(), c.want) // so that the question is prepared
		undo := func() int { return 0 }
		asked.do = func() { undo = p.Fail(proxy.Fault{Kind: proxy.Cut, Side: proxy.Replies, Bytes: 1}) }
		want(t, what, c.call(), c.want)
		if undo() != 1 {
			t.Errorf("%s: no answer was lost", what)
		}
	}
}
