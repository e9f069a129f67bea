package sessiontest_test

import (
	"fmt"
	"log"
	"net/http/httptest"

	"github.com/sojourn-go/sojourn/session"
	"github.com/sojourn-go/sojourn/session/sessiontest"
)

func ExampleClient() {
	sessions, handler := site(nil) // the program's own, over memory.New(nil)

	client := sessiontest.NewClient(handler)
	err := client.Use(sessions, func(s *session.Session) error { return s.SetOwner("user:42") })
	fmt.Println(client.Get("/welcome").Body, err)
	// Output: user:42 1 <nil> <nil>
}

func ExampleRequest() {
	sessions, _ := site(nil)

	r := sessiontest.Request(sessions, httptest.NewRequest("GET", "/", nil), func(s *session.Session) error {
		return visits.Set(s, 41)
	})
	w := httptest.NewRecorder()
	welcome(w, r) // one handler, without what is around it

	s, err := session.From(r.Context())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(visits.Get(s))
	// Output: 42
}
