package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/sojourn-go/sojourn/postgres"
	"github.com/sojourn-go/sojourn/store"
)

func (p *pg) hotRows() []row {
	return []row{{"postgres, HOT", func(int) ([]line, error) {
		short, err := p.hot(30*time.Minute, 90)
		if err != nil {
			return nil, err
		}
		long, err := p.hot(24*time.Hour, 90)
		return []line{short, long}, err
	}}}
}

// event is a visitor's first request, or one of his that touches.
type event struct {
	at      time.Duration
	visitor int
	first   bool
}

// day returns what visitors do in a day, in order: each comes for visits of 40 minutes
// on average with breaks of 2 hours on average, which end before his session does,
// asks once a minute on average, and touches at most once in a tenth of its life.
func day(visitors int, idle time.Duration, random *rand.Rand) []event {
	about := func(d time.Duration) time.Duration { return time.Duration(random.ExpFloat64() * float64(d)) }
	const whole = 24 * time.Hour
	var events []event
	for v := range visitors {
		last := time.Duration(-1)
		for t := time.Duration(random.Int64N(int64(whole))); t < whole; {
			for end := t + about(40*time.Minute); t < min(end, whole); t += about(time.Minute) {
				if last < 0 || t-last >= idle/10 {
					events = append(events, event{t, v, last < 0})
					last = t
				}
			}
			t += about(2 * time.Hour)
			if last >= 0 {
				t = min(t, last+idle-2*time.Minute)
			}
		}
	}
	slices.SortStableFunc(events, func(a, b event) int { return int(a.at - b.at) })
	return events
}

var midnight = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) // when the day begins

// clock is one that the store's statements find before the server's, so that a day
// passes in a minute. It is set to the minute.
const clock = `CREATE OR REPLACE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
	AS $$ SELECT current_setting('bench.now')::timestamptz $$`

// hot lets a simulated day pass, and tells how many of the touches the server could
// make within a page. must is the share that is asked for, in per cent.
func (p *pg) hot(idle time.Duration, must float64) (line, error) {
	pool, _, drop, err := p.table("hot")
	if err != nil {
		return line{}, err
	}
	defer drop()
	if _, err := pool.Exec(ctx, clock); err != nil {
		return line{}, err
	}
	events := day(p.sizes.visitors, idle, rand.New(rand.NewPCG(1, 2)))
	const servers = 8
	if err := together(servers, func(g int) error { return p.passDay(events, idle, servers, g) }); err != nil {
		return line{}, err
	}
	touches := 0
	for _, e := range events {
		if !e.first {
			touches++
		}
	}
	// A server process adds to the statistics when it ends, and not at once.
	var updates, hot int
	for end := time.Now().Add(time.Minute); updates < touches; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			return line{}, fmt.Errorf("the server counted %d updates, want %d", updates, touches)
		}
		if err := pool.QueryRow(ctx, `SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relid = 'hot'::regclass`).Scan(&updates, &hot); err != nil {
			return line{}, err
		}
	}
	var bytes int
	var last time.Time
	if err := pool.QueryRow(ctx, `SELECT pg_total_relation_size('hot') / $1, max(deadline) FROM hot`, p.sizes.visitors).Scan(&bytes, &last); err != nil {
		return line{}, err
	}
	if last.After(midnight.Add(24*time.Hour + idle)) {
		return line{}, fmt.Errorf("a session ends at %v: its statement did not ask the clock of the bench", last)
	}
	share := 100 * float64(hot) / float64(updates)
	l := line{
		what:  fmt.Sprintf("postgres, HOT share of a day's touches, %v of life, touched at most every %v", idle, idle/10),
		ours:  fmt.Sprintf("%.1f %%", share),
		noise: fmt.Sprintf("%d touches of %d sessions, which then take %d B each with their indexes", touches, p.sizes.visitors, bytes),
	}
	l.target, l.reached = fmt.Sprintf("%g %%", must), share >= must
	return l, nil
}

// passDay has one process of many make its share of the calls.
func (p *pg) passDay(events []event, idle time.Duration, processes, process int) error {
	pool, err := p.server.another(1, "search_path", p.server.token+", pg_catalog")
	if err != nil {
		return err
	}
	defer pool.Close()
	s, err := postgres.New(pool, &postgres.Options{Schema: p.server.token, Table: "hot", SweepEvery: -1})
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	now := time.Time{}
	for _, e := range events {
		if e.visitor%processes != process {
			continue
		}
		if at := midnight.Add(e.at).Truncate(time.Minute); at != now {
			now = at
			if _, err := pool.Exec(ctx, `SELECT set_config('bench.now', $1, false)`, now.Format(time.RFC3339)); err != nil {
				return err
			}
		}
		id := fmt.Sprintf("%043d", e.visitor)
		if e.first {
			_, err = s.Create(ctx, id, store.Record{Data: noise(dataBytes), Owner: owner(e.visitor)}, idle)
		} else {
			err = s.Touch(ctx, id, idle)
		}
		if err != nil {
			return fmt.Errorf("at %v of the day: %w", e.at, err)
		}
	}
	return nil
}
