package frameworks_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/danielgtaylor/huma/v2/sse"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	echo4 "github.com/labstack/echo/v4"
	"github.com/labstack/echo/v5"

	"github.com/sojourn-go/sojourn/session"
)

func plain(w http.ResponseWriter, r *http.Request) {
	text, err := visit(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write([]byte(text))
}

func redirect(w http.ResponseWriter, r *http.Request) {
	text, err := visit(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	http.Redirect(w, r, "/"+text, http.StatusSeeOther)
}

func answer(f func(context.Context) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := f(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}
}

func standard(_ *testing.T, sessions *session.Manager) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", plain)
	mux.HandleFunc("GET /redirect", redirect)
	mux.HandleFunc("GET /events", events)
	mux.Handle("GET /in-time", http.TimeoutHandler(http.HandlerFunc(plain), time.Hour, ""))
	mux.HandleFunc("POST /login", answer(login))
	mux.HandleFunc("POST /logout", answer(logout))
	return sessions.Handler(mux)
}

func chiOutside(_ *testing.T, sessions *session.Manager) http.Handler {
	r := chi.NewRouter()
	chiRoutes(r)
	return sessions.Handler(r)
}

// chiInside has the manager between chi and the handlers, and who compresses around both.
func chiInside(_ *testing.T, sessions *session.Manager) http.Handler {
	r := chi.NewRouter()
	r.Use(sessions.Handler)
	chiRoutes(r)
	return middleware.Compress(5)(r)
}

func chiRoutes(r chi.Router) {
	r.Get("/", plain)
	r.With(middleware.Compress(5)).Get("/compressed", plain)
	r.Post("/login", answer(login))
	r.Post("/logout", answer(logout))
}

func echo4Outside(_ *testing.T, sessions *session.Manager) http.Handler {
	e := echo4.New()
	echo4Routes(e)
	return sessions.Handler(e)
}

// echo hands on the writer that it is given, so that inside works too.
func echo4Inside(_ *testing.T, sessions *session.Manager) http.Handler {
	e := echo4.New()
	e.Use(echo4.WrapMiddleware(sessions.Handler))
	echo4Routes(e)
	return e
}

func echo4Routes(e *echo4.Echo) {
	handle := func(path string, answer func(c echo4.Context, text string) error) {
		e.GET(path, func(c echo4.Context) error {
			text, err := visit(c.Request().Context())
			if err != nil {
				return err
			}
			return answer(c, text)
		})
	}
	handle("/", func(c echo4.Context, text string) error { return c.JSON(http.StatusOK, text) })
	handle("/redirect", func(c echo4.Context, text string) error { return c.Redirect(http.StatusSeeOther, "/"+text) })
	handle("/stream", func(c echo4.Context, text string) error {
		return c.Stream(http.StatusOK, "text/plain", strings.NewReader(text))
	})
	e.POST("/login", func(c echo4.Context) error { return login(c.Request().Context()) })
	e.POST("/logout", func(c echo4.Context) error { return logout(c.Request().Context()) })
}

func echo5Outside(_ *testing.T, sessions *session.Manager) http.Handler {
	e := echo.New()
	echo5Routes(e, sessions)
	return sessions.Handler(e)
}

func echo5Inside(_ *testing.T, sessions *session.Manager) http.Handler {
	e := echo.New()
	e.Use(echo.WrapMiddleware(sessions.Handler))
	echo5Routes(e, sessions)
	return e
}

func echo5Routes(e *echo.Echo, sessions *session.Manager) {
	e.GET("/", func(c *echo.Context) error {
		s, err := session.From(c.Request().Context())
		if err != nil {
			sessions.Error(c.Response(), c.Request(), err)
			return nil
		}
		return c.JSON(http.StatusOK, words(s))
	})
	e.GET("/redirect", func(c *echo.Context) error {
		text, err := visit(c.Request().Context())
		if err != nil {
			return err
		}
		return c.Redirect(http.StatusSeeOther, "/"+text)
	})
	e.GET("/stream", func(c *echo.Context) error {
		text, err := visit(c.Request().Context())
		if err != nil {
			return err
		}
		return c.Stream(http.StatusOK, "text/plain", strings.NewReader(text))
	})
	e.POST("/login", func(c *echo.Context) error { return login(c.Request().Context()) })
	e.POST("/logout", func(c *echo.Context) error { return logout(c.Request().Context()) })
}

type (
	body  struct{ Text string }
	reply struct{ Body body }
	said  struct{ Body struct{ Text string } }
)

// huma's handlers have a context and no request.
func humaOutside(_ *testing.T, sessions *session.Manager) http.Handler {
	mux := http.NewServeMux()
	api := humago.New(mux, huma.DefaultConfig("visits", "1.0.0"))
	huma.Get(api, "/page", func(ctx context.Context, _ *struct{}) (*reply, error) {
		s, err := session.From(ctx)
		if err != nil {
			return nil, huma.Error503ServiceUnavailable("the session", err)
		}
		return &reply{body{words(s)}}, nil
	})
	huma.Get(api, "/stream", func(ctx context.Context, _ *struct{}) (*huma.StreamResponse, error) {
		text, err := visit(ctx)
		return &huma.StreamResponse{Body: func(c huma.Context) { _, _ = c.BodyWriter().Write([]byte(text)) }}, err
	})
	// Nothing has gone out before the first event is sent.
	sse.Register(api, huma.Operation{OperationID: "events", Method: http.MethodGet, Path: "/events"}, map[string]any{"message": body{}},
		func(ctx context.Context, _ *struct{}, send sse.Sender) {
			text, err := visit(ctx)
			if err != nil {
				text = err.Error()
			}
			_ = send.Data(body{text})
		})
	huma.Post(api, "/login", func(ctx context.Context, _ *struct{}) (*struct{}, error) { return nil, login(ctx) })
	huma.Post(api, "/logout", func(ctx context.Context, _ *struct{}) (*struct{}, error) { return nil, logout(ctx) })
	huma.Get(api, "/visits", func(ctx context.Context, _ *struct{}) (*said, error) {
		text, err := visit(ctx) // session.From(ctx)
		return &said{struct{ Text string }{text}}, err
	})
	return sessions.Handler(mux)
}
