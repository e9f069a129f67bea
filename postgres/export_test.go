package postgres

import (
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sojourn-go/sojourn/store"
)

// WithSteps adds further steps to those of the store's Migrate.
func WithSteps(s *Store, more ...string) {
	s.row.steps = append(s.row.steps[:len(s.row.steps):len(s.row.steps)], more...)
}

// Statements are all statements of a store, by name.
func Statements(pool *pgxpool.Pool, opts *Options) (map[string]string, error) {
	s, err := New(pool, opts)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return map[string]string{
		"load": s.row.load, "create": s.row.create, "update": s.row.update, "revision": s.row.revision,
		"touch": s.row.touch, "keep": s.row.keep, "delete": s.row.delete,
		"list": s.row.list, "listData": s.row.listData, "owned": s.row.owned, "ownedData": s.row.ownedData,
		"endOwner": s.row.endOwner, "count": s.row.count, "ping": s.row.ping, "clear": s.row.clear,
		"due": s.row.due, "remove": s.row.remove, "walk": s.row.walk,
	}, nil
}

// CreateArgs and UpdateArgs are what is sent with the statements.
var (
	CreateArgs = createArgs
	UpdateArgs = updateArgs
)

// Parse is what Opener makes of a URL.
var Parse = parse

// Told is an error as a caller sees it.
func Told(err error) error { return told(err, false) }

// Judge says "final", "again", "anew" or "lost".
func Judge(err error, broken bool) string {
	return [...]string{"final", "again", "anew", "lost"}[judge(err, broken)]
}

// Checked is what becomes of a row.
func Checked(revision, left int64) (store.Entry, error) {
	return checked(store.Entry{}, revision, left)
}
