package main

import (
	"fmt"
	"log"
	"net/http"

	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/session"
)

var visits = session.NewKey[int]("visits")

func main() {
	sessions, err := session.New(memory.New(nil), nil) // any other store goes here
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		n, _ := visits.Update(s, func(n int) int { return n + 1 })
		fmt.Fprintf(w, "visit %d\n", n)
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", sessions.Handler(http.DefaultServeMux)))
}
