package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

// odClient sends requests as a careful program does it by hand: on connections that stay,
// with the password and the server's session.
type odClient struct {
	http           *http.Client
	url            string // without a path
	name           string // of the database
	commands       string // the URL of its statements
	user, password string
	session        atomic.Pointer[http.Cookie]
}

func newODClient(rawURL, database string) (*odClient, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.User == nil {
		return nil, errors.New("the URL is not like orientdb://root:password@localhost:2480")
	}
	t := &http.Transport{
		MaxIdleConnsPerHost: connections,
		IdleConnTimeout:     10 * time.Second, // before the server gives them up
		DisableCompression:  true,
	}
	c := &odClient{http: &http.Client{Transport: t}, url: "http://" + u.Host, name: database, user: u.User.Username()}
	c.password, _ = u.User.Password()
	c.commands = c.url + "/command/" + database + "/sql"
	return c, nil
}

// send sends a request and reads the answer into another, unless that is nil.
func (c *odClient) send(ctx context.Context, method, path string, body []byte, answer any) error {
	return c.do(ctx, method, c.url+path, body, answer)
}

func (c *odClient) do(ctx context.Context, method, url string, body []byte, answer any) error {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.SetBasicAuth(c.user, c.password)
	req.Header.Set("Content-Type", "application/json")
	session := c.session.Load()
	if session != nil {
		req.AddCookie(session)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if session == nil {
		for _, set := range resp.Cookies() {
			if set.Name == "OSESSIONID" && len(set.Value) > 1 {
				c.session.Store(set)
			}
		}
	}
	if resp.StatusCode/100 != 2 {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		return errAnswer(resp.Status + ": " + string(said))
	}
	if answer == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	if err := json.NewDecoder(resp.Body).Decode(answer); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body) // or the connection would not be used again
	return err
}

// errAnswer is an answer that was not to be.
type errAnswer string

func (e errAnswer) Error() string { return "OrientDB answers " + string(e) }

// odLine is a line of an answer.
type odLine struct {
	Data            []byte
	ID, Owner, Name string
	Rev, Exp, Now   int64
	Count, N        int
}

// sql sends a statement.
func (c *odClient) sql(ctx context.Context, sql string, parameters any) ([]odLine, error) {
	body, err := json.Marshal(odStatement{sql, false, parameters})
	if err != nil {
		return nil, err
	}
	var answer struct{ Result []odLine }
	err = c.do(ctx, http.MethodPost, c.commands, body, &answer)
	return answer.Result, err
}

type odStatement struct {
	Command    string `json:"command"`
	Plan       bool   `json:"returnExecutionPlan"`
	Parameters any    `json:"parameters"`
}
