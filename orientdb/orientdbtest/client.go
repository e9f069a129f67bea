package orientdbtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/internal/proxy"
	"github.com/sojourn-go/sojourn/orientdb"
)

// Database is the one that a URL names, as orientdb.Opener reads it.
func Database(tb testing.TB, rawURL string) orientdb.Database {
	tb.Helper()
	u, err := url.Parse(rawURL)
	if err != nil || u.User == nil {
		tb.Fatal("the URL reads orientdb://user:password@host:2480/database")
	}
	scheme, host := "http", u.Host
	if strings.EqualFold(u.Scheme, "orientdbs") {
		scheme = "https"
	}
	if u.Port() == "" {
		host = strings.TrimSuffix(host, ":") + ":2480"
	}
	password, _ := u.User.Password()
	return orientdb.Database{URL: scheme + "://" + host, Name: strings.Trim(u.Path, "/"), User: u.User.Username(), Password: password}
}

// Client makes connections through the network, unless that is nil, as to proxies before
// the server. The test closes them.
func Client(tb testing.TB, n *proxy.Network) *http.Client {
	t := &http.Transport{MaxIdleConnsPerHost: 100, IdleConnTimeout: 10 * time.Second}
	if n != nil {
		t.DialContext = n.DialContext
	}
	tb.Cleanup(t.CloseIdleConnections)
	return &http.Client{Transport: t}
}

// SQL sends a statement with its parameters, by the client of the database, and returns the
// lines of the answer. Numbers among them are exact, as [json.Number].
func SQL(ctx context.Context, db orientdb.Database, sql string, params map[string]any) ([]map[string]any, error) {
	body, err := json.Marshal(map[string]any{"command": sql, "parameters": params, "returnExecutionPlan": false})
	if err != nil {
		return nil, err
	}
	answer, err := Post(ctx, db, "/command/"+db.Name+"/sql", body)
	if err != nil {
		return nil, err
	}
	var found struct{ Result []map[string]any }
	d := json.NewDecoder(bytes.NewReader(answer))
	d.UseNumber()
	err = d.Decode(&found)
	return found.Result, err
}

// Post sends a request to the server, and returns its answer. What is not 200 is an error
// with the server's own text.
func Post(ctx context.Context, db orientdb.Database, path string, body []byte) ([]byte, error) {
	return request(ctx, db, http.MethodPost, path, body)
}

func request(ctx context.Context, db orientdb.Database, method, path string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, db.URL+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.SetBasicAuth(db.User, db.Password)
	client := db.Client
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, answer)
	}
	return answer, err
}
