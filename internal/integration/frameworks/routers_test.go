package frameworks_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v4"

	"github.com/sojourn-go/sojourn/session"
)

type said struct{ Body struct{ Text string } }

// huma's handlers have a context and no request.
func TestHuma(t *testing.T) {
	newSite(t, func(sessions *session.Manager) http.Handler {
		mux := http.NewServeMux()
		api := humago.New(mux, huma.DefaultConfig("visits", "1.0.0"))
		huma.Get(api, "/visits", func(ctx context.Context, _ *struct{}) (*said, error) {
			text, err := visit(ctx) // session.From(ctx)
			return &said{struct{ Text string }{text}}, err
		})
		mux.HandleFunc("GET /plain", plain)
		huma.Post(api, "/login", func(ctx context.Context, _ *struct{}) (*struct{}, error) { return nil, login(ctx) })
		huma.Post(api, "/logout", func(ctx context.Context, _ *struct{}) (*struct{}, error) { return nil, logout(ctx) })
		return sessions.Handler(mux)
	}).story("/plain")
}

func TestHumaAnswers(t *testing.T) {
	x := newSite(t, func(sessions *session.Manager) http.Handler {
		mux := http.NewServeMux()
		api := humago.New(mux, huma.DefaultConfig("visits", "1.0.0"))
		huma.Get(api, "/visits", func(ctx context.Context, _ *struct{}) (*said, error) {
			text, err := visit(ctx)
			return &said{struct{ Text string }{text}}, err
		})
		return sessions.Handler(mux)
	})
	b := x.browser()
	x.wants(b, "/visits", `visit 1 of \"\"`)
	x.wants(b, "/visits", `visit 2 of \"\"`)
}

func TestEcho(t *testing.T) {
	newSite(t, func(sessions *session.Manager) http.Handler {
		e := echo.New()
		e.GET("/", func(c echo.Context) error {
			text, err := visit(c.Request().Context())
			if err != nil {
				return err
			}
			return c.String(http.StatusOK, text)
		})
		e.POST("/login", func(c echo.Context) error { return login(c.Request().Context()) })
		e.POST("/logout", func(c echo.Context) error { return logout(c.Request().Context()) })
		return sessions.Handler(e)
	}).story("/")
}

// echo hands on the writer that it was given, so that it works inside too.
func TestEchoInside(t *testing.T) {
	newSite(t, func(sessions *session.Manager) http.Handler {
		e := echo.New()
		e.Use(echo.WrapMiddleware(sessions.Handler))
		e.GET("/", func(c echo.Context) error {
			text, err := visit(c.Request().Context())
			if err != nil {
				return err
			}
			return c.String(http.StatusOK, text)
		})
		e.POST("/login", func(c echo.Context) error { return login(c.Request().Context()) })
		e.POST("/logout", func(c echo.Context) error { return logout(c.Request().Context()) })
		return e
	}).story("/")
}

func TestChi(t *testing.T) {
	newSite(t, func(sessions *session.Manager) http.Handler {
		r := chi.NewRouter()
		r.Use(sessions.Handler)
		r.Get("/", plain)
		r.Post("/login", answer(login))
		r.Post("/logout", answer(logout))
		return r
	}).story("/")
}

func plain(w http.ResponseWriter, r *http.Request) {
	text, err := visit(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write([]byte(text))
}

func answer(f func(context.Context) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := f(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}
}
