package file_test

import (
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/sojourn-go/sojourn/file"
	"github.com/sojourn-go/sojourn/session"
)

// Sessions that survive a restart, without a database.
func ExampleNew() {
	dir, err := os.MkdirTemp("", "site-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	s, err := file.New(dir+"/sessions", &file.Options{OnError: func(err error) { log.Print(err) }})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	sessions, err := session.New(s, nil)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	_ = http.Server{Handler: sessions.Handler(mux)}

	fi, err := os.Stat(dir + "/sessions")
	fmt.Println(fi.Mode(), err)
	// Output: drwx------ <nil>
}
