package frameworks_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/sojourn-go/sojourn/session"
)

func init() { gin.SetMode(gin.ReleaseMode) }

func ginOutside(_ *testing.T, sessions *session.Manager) http.Handler {
	engine := ginEngine()
	engine.GET("/json", func(c *gin.Context) {
		s, err := session.From(c.Request.Context())
		if err != nil {
			sessions.Error(c.Writer, c.Request, err)
			return
		}
		c.JSON(http.StatusOK, words(s))
	})
	return sessions.Handler(engine)
}

func ginSockets(_ *testing.T, sessions *session.Manager) http.Handler {
	engine := ginEngine() // handlers use session.From(c.Request.Context())
	return sessions.Handler(engine)
}

// ginEngine has the other kinds of answers that gin has.
func ginEngine(middleware ...gin.HandlerFunc) *gin.Engine {
	engine := gin.New()
	engine.Use(middleware...)
	handle := func(method, path string, answer func(c *gin.Context, text string)) {
		engine.Handle(method, path, func(c *gin.Context) {
			text, err := visit(c.Request.Context())
			if err != nil {
				_ = c.AbortWithError(http.StatusInternalServerError, err)
				return
			}
			answer(c, text)
		})
	}
	handle("GET", "/text", func(c *gin.Context, text string) { c.String(http.StatusOK, "%s", text) })
	handle("GET", "/empty", func(c *gin.Context, _ string) { c.Status(http.StatusNoContent) })
	handle("GET", "/redirect", func(c *gin.Context, text string) { c.Redirect(http.StatusSeeOther, "/"+text) })
	handle("GET", "/stream", func(c *gin.Context, text string) {
		lines := []string{text, "\nand more\n"}
		c.Stream(func(w io.Writer) bool {
			_, _ = io.WriteString(w, lines[0])
			lines = lines[1:]
			return len(lines) > 0
		})
	})
	handle("GET", "/events", func(c *gin.Context, text string) {
		c.Stream(func(io.Writer) bool {
			c.SSEvent("message", text)
			return false
		})
	})
	engine.GET("/wrapped", gin.WrapF(plain))
	engine.GET("/gorilla", gin.WrapF(gorillaSocket))
	engine.GET("/coder", gin.WrapF(coderSocket))
	engine.POST("/login-text", func(c *gin.Context) { c.String(http.StatusOK, "%v", login(c.Request.Context())) })
	engine.POST("/login", gin.WrapF(answer(login)))
	engine.POST("/logout", gin.WrapF(answer(logout)))
	return engine
}

// The stream of a client that has gone ends: c.Stream asks the manager's writer for it.
func TestGinStreamEndsWithTheClient(t *testing.T) {
	ended := make(chan bool, 1)
	x := newSite(t, func(_ *testing.T, sessions *session.Manager) http.Handler {
		engine := gin.New()
		engine.GET("/", func(c *gin.Context) {
			text, _ := visit(c.Request.Context())
			ended <- c.Stream(func(w io.Writer) bool {
				_, _ = io.WriteString(w, text+"\n")
				return true
			})
		})
		return sessions.Handler(engine)
	}, http1)
	res, err := x.do(x.browser(), http.MethodGet, "/")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if !<-ended {
		t.Error("the stream has ended by itself")
	}
}

// A *gin.Context is a request's context too, if the engine is told so.
func TestGinContext(t *testing.T) {
	for _, fallback := range []bool{true, false} {
		x := newSite(t, func(_ *testing.T, sessions *session.Manager) http.Handler {
			engine := gin.New()
			engine.ContextWithFallback = fallback
			engine.GET("/", func(c *gin.Context) {
				text, err := visit(c)
				c.String(http.StatusOK, "%s %v", text, err)
			})
			return sessions.Handler(engine)
		}, http1)
		want := says(1, "") + " <nil>"
		if !fallback {
			want = session.ErrNoHandler.Error()
		}
		x.wants(x.browser(), get("/"), want)
	}
}

// ginInside is the wrong way: a middleware as those write it who want the manager inside
// of gin. It cannot hand on the manager's writer, since the handlers write to gin's.
func ginInside(_ *testing.T, sessions *session.Manager) http.Handler {
	engine := ginEngine(func(c *gin.Context) {
		sessions.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			c.Request = r
			c.Next()
		})).ServeHTTP(c.Writer, c.Request)
	})
	return engine
}

// Inside of gin the manager comes too late for whatever is written. Each such answer is an
// event, and no session is stored that nobody has the id of, nor a login.
func TestGinTheWrongWayIsTold(t *testing.T) {
	for _, path := range []string{"/text", "/stream", "/events", "/redirect", "/wrapped"} {
		x := newSite(t, ginInside, http1)
		b := x.browser()
		x.wants(b, get(path), says(1, ""))
		x.wants(b, get(path), says(1, ""))
		if n := x.told(session.Bypassed); n != 2 || x.told(session.Created) != 0 || x.cookie(b) != "" {
			t.Errorf("%s: %d events, want 2; %d sessions were stored", path, n, x.told(session.Created))
		}
	}
}

// An answer without a body is sent by gin when the handlers have returned, and has the
// cookie. With it a change that comes too late is saved all the same, and a login is not:
// nobody would get the new id. Both are events.
func TestGinTheWrongWayWithASession(t *testing.T) {
	x := newSite(t, ginInside, http1)
	b := x.browser()
	x.wants(b, get("/empty"), "")
	if x.cookie(b) == "" || x.told(session.Bypassed) != 0 {
		t.Fatalf("a cookie of %d bytes, %d events", len(x.cookie(b)), x.told(session.Bypassed))
	}
	x.wants(b, get("/text"), says(2, ""))
	x.wants(b, get("/text"), says(3, ""))
	if n := x.told(session.Bypassed); n != 2 {
		t.Errorf("%d events for two changes, want 2", n)
	}
	x.wants(b, post("/login-text"), "<nil>")
	if n := x.told(session.Bypassed); n != 3 || x.told(session.Renewed) != 0 {
		t.Errorf("%d events, want 3; %d renewals", n, x.told(session.Renewed))
	}
	x.wants(b, get("/text"), says(4, ""))
}
