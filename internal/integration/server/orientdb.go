package server

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// OrientDBWAL10 is a setting of [OrientDB] that has it write its log every 10 ms. As it
// comes it does so once a second, and kill -9 takes what it acknowledged since.
const OrientDBWAL10 = "-Dstorage.wal.commitTimeout=10"

// quick has Java compile what a test runs once, and not what a server runs for a month: a
// third of the work of a short life is that.
const quick = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"

// OrientDB is an OrientDB with a database, the settings that it comes with, and further
// ones. Its cache of the disk has a size, since it would take all memory of the machine.
func OrientDB(settings ...string) Spec {
	return Spec{
		Name: "OrientDB", URLVar: "SOJOURN_TEST_ORIENTDB_URL",
		ImageVar: "SOJOURN_TEST_ORIENTDB_IMAGE", Image: "orientdb:3.2",
		Port: "2480/tcp",
		Env: map[string]string{
			"ORIENTDB_ROOT_PASSWORD": "root",
			"ORIENTDB_OPTS_MEMORY":   "-Xms128m -Xmx512m",
			"ORIENTDB_SETTINGS":      strings.Join(slices.Concat([]string{"-Dstorage.diskCache.bufferSize=256", quick}, settings), " "),
		},
		Cmd:   []string{"server.sh"},
		URL:   func(addr string) string { return "orientdb://root:root@" + addr + "/sojourn" },
		Ready: readyOrientDB,
	}
}

// readyOrientDB is nil once root can open the database, which it makes where there is
// none. A ping shows less: it is answered before the server knows root.
func readyOrientDB(ctx context.Context, rawURL string) error {
	u, err := url.Parse(rawURL)
	if err != nil {
		return err
	}
	// More time than each try has: to give up would leave a database of an unknown age.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	status, err := askOrientDB(ctx, u, http.MethodPost, "/database"+u.Path+"/plocal")
	if err != nil {
		return err
	}
	switch status {
	case http.StatusOK:
		// One that is killed before its log was first written may never be opened again.
		time.Sleep(1500 * time.Millisecond)
	case http.StatusConflict: // it is there already
	default:
		return fmt.Errorf("it does not make the database: status %d", status)
	}
	// One that was killed repairs the database now.
	status, err = askOrientDB(ctx, u, http.MethodGet, "/connect"+u.Path)
	if err == nil && status != http.StatusNoContent {
		err = fmt.Errorf("it does not open the database: status %d", status)
	}
	return err
}

// askOrientDB asks once, as the user of the URL, on a connection that is not kept.
func askOrientDB(ctx context.Context, u *url.URL, method, path string) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+u.Host+path, nil)
	if err != nil {
		return 0, err
	}
	req.Close = true
	password, _ := u.User.Password()
	req.SetBasicAuth(u.User.Username(), password)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}
