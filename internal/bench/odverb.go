package main

import (
	"context"
	"fmt"
	"net/http"
)

// verb compares a verb of the store with two programs: one that sends the same statement to
// a class of the same indexes, and one that sends the least that could do, to a class with
// no index but that of the ids. Against the first the store takes what it does in Go,
// against the second also what its statements ask for.
func (o *od) verb(name string, owned bool, goroutines, cycles int) (lines []line, err error) {
	for _, least := range []bool{false, true} {
		if what := fmt.Sprint(name, least); !o.warm[what] {
			o.warm[what] = true
			if err := o.beside(least, name, owned, 16, func(v verb) error { return v.warm(o.sizes.warming, !least) }); err != nil {
				return nil, err
			}
		}
		if err := o.beside(least, name, owned, goroutines, func(v verb) error {
			some, err := v.compare(cycles)
			lines = append(lines, some...)
			return err
		}); err != nil {
			return nil, err
		}
	}
	return lines, nil
}

// beside calls f with a verb and one of the two programs, which have their classes until
// then.
func (o *od) beside(least bool, name string, owned bool, goroutines int, f func(v verb) error) error {
	c, err := o.class("sessions", nil)
	if err != nil {
		return err
	}
	defer c.close()
	hand, p, err := o.program(least, name)
	if hand != nil {
		defer hand.close()
	}
	if err != nil {
		return err
	}
	data := noise(dataBytes)
	v := verb{what: fmt.Sprintf("orientdb, %s, 512 B, %s", name, whose(owned)), goroutines: goroutines, of: o.sizes.held, bounded: true}
	if least {
		v.what += ", beside the least by hand"
	} else {
		v.what += ", beside the same by hand"
	}
	switch {
	case name == "load" && goroutines == 1:
		v.must = 1.2
	case name == "load":
		v.must = 1.25
	case name == "update" && goroutines == 1:
		v.must = 1.3
	case name == "update":
		v.must = 1.5
	}
	in := func(c *odClass, call func(ctx context.Context, v *visitor) error) side {
		return side{
			call:   call,
			put:    func(all []visitor) error { return c.insertLive(all, dataBytes) },
			remove: c.remove,
		}
	}
	byHand := in(hand, p.call(name, data))
	byHand.put = func(all []visitor) error {
		defer p.begin(all)
		return hand.insertLive(all, dataBytes)
	}
	err = v.between(name, func(n int) []visitor { return c.visitors(n, owned) }, in(c, callOf(c.store, name, data)), byHand)
	if err != nil {
		return err
	}
	return f(v)
}

// warm makes n calls by hand, and as many of ours unless that was done.
func (v verb) warm(n int, ours bool) error {
	if v.ready != nil {
		if err := v.ready(n); err != nil {
			return err
		}
	}
	var failed failure
	many := func(call func(ctx context.Context, i int) error) {
		measure(failed.calls(v.goroutines, v.of, func(_, i int) error { return call(ctx, i) }), v.goroutines, n)
	}
	if many(v.hand); ours {
		many(v.ours)
	}
	return failed.err()
}

// program returns one of the two and its class, which is to be closed also where there is an
// error.
func (o *od) program(least bool, name string) (*odClass, *program, error) {
	if least {
		c, err := o.simple("simple")
		if err != nil {
			return nil, nil, err
		}
		return c, &program{db: c.db, least: true, sql: leastSQL(c.name, name)}, nil
	}
	ear := &listener{RoundTripper: http.DefaultTransport}
	c, err := o.class("same", &http.Client{Transport: ear})
	if err != nil {
		return c, nil, err
	}
	one := c.visitors(1, true)
	if name != "create" {
		if err := c.insertLive(one, dataBytes); err != nil {
			return c, nil, err
		}
	}
	ear.clear()
	if err := callOf(c.store, name, noise(dataBytes))(ctx, &one[0]); err != nil {
		return c, nil, err
	}
	p := &program{db: c.db}
	for sql := range ear.heard {
		p.sql = sql
	}
	if n := len(ear.heard); n != 1 {
		return c, nil, fmt.Errorf("the store sends %d statements to %s, want 1", n, name)
	}
	return c, p, nil
}

// leastSQL are statements that know neither owners nor revisions.
func leastSQL(class, name string) string {
	const exp = "exp=sysdate().asLong()+:life"
	return map[string]string{
		"load":   "SELECT data, exp FROM " + class + " WHERE id=:id",
		"create": "INSERT INTO " + class + " SET id=:id, data=:data, " + exp + " RETURN exp", // or it returns the data
		"update": "UPDATE " + class + " SET data=:data, " + exp + " WHERE id=:id",
		"touch":  "UPDATE " + class + " SET " + exp + " WHERE id=:id",
		"delete": "DELETE FROM " + class + " WHERE id=:id",
	}[name]
}
