package session_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/session"
)

func ExampleNew() {
	visits := session.NewKey[int]("visits") // a package variable in a program

	sessions, err := session.New(memory.New(nil), nil)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		n, err := visits.Update(s, func(n int) int { return n + 1 })
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		fmt.Fprintf(w, "visit %d\n", n)
	})
	handler := sessions.Handler(mux) // for http.ListenAndServe

	// A browser that comes twice.
	cookie := ""
	for range 2 {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", cookie)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Print(w.Body)
		if c := w.Result().Cookies(); len(c) > 0 {
			cookie = c[0].Name + "=" + c[0].Value
		}
	}
	// Output:
	// visit 1
	// visit 2
}

func ExampleKey_Pop() {
	flash := session.NewKey[string]("flash")

	// One page leaves a word, the next one shows it, once.
	save := func(w http.ResponseWriter, r *http.Request) {
		if s, err := session.From(r.Context()); err == nil {
			_ = flash.Set(s, "saved!")
		}
		http.Redirect(w, r, "/list", http.StatusSeeOther)
	}
	list := func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			http.Error(w, "no session", http.StatusServiceUnavailable)
			return
		}
		if word, err := flash.Pop(s); err == nil && word != "" {
			fmt.Fprintln(w, word)
		}
	}
	_, _ = save, list
}

func ExampleSession_Save() {
	cart := session.NewKey[[]string]("cart")

	_ = func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			http.Error(w, "no session", http.StatusServiceUnavailable)
			return
		}
		_, err = cart.Update(s, func(items []string) []string { return append(items, r.FormValue("item")) })
		if err == nil {
			err = s.Save() // before the order goes elsewhere
		}
		if err != nil { // session.ErrGone: logged out in another tab meanwhile
			http.Error(w, "please start again", http.StatusConflict)
			return
		}
		fmt.Fprintln(w, "in the cart")
	}
}

func ExampleSession_Destroy() {
	logout := func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err == nil {
			err = s.Destroy()
		}
		if err != nil { // still logged in: say so
			http.Error(w, "please try again", http.StatusServiceUnavailable)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}
	http.NewServeMux().HandleFunc("POST /logout", logout)
}
