package sessions_test

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sojourn-go/sojourn/store"
)

// points calls a function at each point of each call: before the store is asked ("Load") and
// after it has answered ("Load done"), and, by the driver's own trace, when a connection is
// asked for and had, and when a statement is sent and answered. The context has the values
// of the request.
type points struct {
	store.Store
	at func(ctx context.Context, what string)
}

func nowhere(context.Context, string) {}

func (p *points) around(ctx context.Context, verb string) (done func()) {
	p.at(ctx, verb)
	return func() { p.at(ctx, verb+" done") }
}

func (p *points) Load(ctx context.Context, id string) (store.Entry, error) {
	defer p.around(ctx, "Load")()
	return p.Store.Load(ctx, id)
}

func (p *points) Create(ctx context.Context, id string, rec store.Record, ttl time.Duration) (store.Revision, error) {
	defer p.around(ctx, "Create")()
	return p.Store.Create(ctx, id, rec, ttl)
}

func (p *points) Update(ctx context.Context, id string, rec store.Record, ttl time.Duration, base store.Revision) (store.Revision, error) {
	defer p.around(ctx, "Update")()
	return p.Store.Update(ctx, id, rec, ttl, base)
}

func (p *points) Touch(ctx context.Context, id string, ttl time.Duration) error {
	defer p.around(ctx, "Touch")()
	return p.Store.Touch(ctx, id, ttl)
}

func (p *points) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	p.at(ctx, "query")
	return ctx
}

func (p *points) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) {
	p.at(ctx, "query done")
}

func (p *points) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	p.at(ctx, "acquire")
	return ctx
}

func (p *points) TraceAcquireEnd(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireEndData) {
	p.at(ctx, "acquire done")
}
