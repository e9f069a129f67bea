package main

import (
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// testOrientDB are rows of the server to test with, on little, and a look at the classes
// that are left of it.
func testOrientDB(t *testing.T) (o *od, left func() []string) {
	t.Helper()
	url := os.Getenv("SOJOURN_TEST_ORIENTDB_URL")
	if url == "" {
		t.Skip("SOJOURN_TEST_ORIENTDB_URL is not set: it names a server to test with, like orientdb://root:password@localhost:2480")
	}
	o = newOD(newOrientDB(os.Getenv), odSizes{
		held: 512, warming: 64, small: 100, large: 1000, stored: 50, expired: 1200, quiet: 50 * time.Millisecond,
	})
	t.Cleanup(func() {
		if err := o.server.close(); err != nil {
			t.Error(err)
		}
	})
	return o, func() (names []string) {
		t.Helper()
		c, err := newODClient(url, o.server.token)
		if err != nil {
			t.Fatal(err)
		}
		defer c.http.CloseIdleConnections()
		var all struct{ Databases []string }
		if err := c.send(t.Context(), http.MethodGet, "/listDatabases", nil, &all); err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(all.Databases, o.server.token) {
			return nil
		}
		lines, err := c.sql(t.Context(), "SELECT name FROM (SELECT expand(classes) FROM metadata:schema)", struct{}{})
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lines {
			if l.Name == strings.ToLower(l.Name) && !strings.HasPrefix(l.Name, "_") { // the server's own are not
				names = append(names, l.Name)
			}
		}
		return names
	}
}

// Every row of OrientDB works, on little.
func TestOrientDBRows(t *testing.T) {
	o, left := testOrientDB(t)
	for _, row := range slices.Concat(o.rows(), o.growthRows(), o.sweepRows()) {
		checkRow(t, "orientdb", row)
		if names := left(); len(names) != 0 {
			t.Fatalf("%s leaves %q", row.name, names)
		}
	}
}

// An interrupt in the middle of a row.
func TestInterruptRemovesTheDatabase(t *testing.T) {
	o, left := testOrientDB(t)
	for _, name := range []string{"create", "touch"} {
		o.server = newOrientDB(os.Getenv)
		measured := make(chan error, 1)
		go func() {
			_, err := o.verb(name, true, 16, 100)
			measured <- err
		}()
		for !slices.Contains(left(), "same") {
			select {
			case err := <-measured:
				t.Fatalf("%s: ended by itself: %v", name, err)
			default:
			}
		}
		if err := o.server.close(); err != nil {
			t.Errorf("%s: closed: %v", name, err)
		}
		if err := <-measured; err == nil {
			t.Errorf("%s: what was interrupted says nothing", name)
		}
		if names := left(); len(names) != 0 {
			t.Errorf("%s: %q came afterwards", name, names)
		}
	}
}

// What is inserted is what the store reads, and what remove leaves is the others'.
func TestInsertedSessionsAreTheStoresOfOrientDB(t *testing.T) {
	o, _ := testOrientDB(t)
	c, err := o.class("sessions", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	all := append(c.visitors(atOnce+1, true), c.visitors(1, false)...)
	if err := c.insertLive(all, dataBytes); err != nil {
		t.Fatal(err)
	}
	for _, v := range []visitor{all[0], all[atOnce], all[atOnce+1]} {
		e, err := c.store.Load(t.Context(), v.id)
		if err != nil || e.Owner != v.owner || e.Revision != v.revision || len(e.Data) != dataBytes || e.TTL < lifetime-time.Hour {
			t.Errorf("loaded %+v, %v", e, err)
		}
	}
	if err := c.remove(all[:atOnce]); err != nil {
		t.Fatal(err)
	}
	if n, err := c.store.Count(t.Context()); n != 2 || err != nil {
		t.Errorf("%d are left, %v, want 2", n, err)
	}
}

// A program by hand sends what the store sends, and its revisions are those of its class.
func TestProgramsOfOrientDB(t *testing.T) {
	o, _ := testOrientDB(t)
	for _, name := range []string{"load", "create", "update", "touch", "delete"} {
		for _, least := range []bool{false, true} {
			c, p, err := o.program(least, name)
			if err != nil {
				t.Fatal(err)
			}
			v := c.visitors(1, true)
			if name != "create" {
				if err := c.insertLive(v, dataBytes); err != nil {
					t.Fatal(err)
				}
			}
			p.begin(v)
			call := p.call(name, noise(dataBytes))
			if err := call(t.Context(), &v[0]); err != nil {
				t.Errorf("%s, the least: %v: %v", name, least, err)
			}
			once := name == "create" || name == "delete"
			if err := call(t.Context(), &v[0]); once != (err != nil) {
				t.Errorf("%s again, the least: %v: %v", name, least, err)
			}
			c.close()
		}
	}
}
