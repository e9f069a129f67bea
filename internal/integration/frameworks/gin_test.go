package frameworks_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/sojourn-go/sojourn/session"
)

func init() { gin.SetMode(gin.ReleaseMode) }

func ginEngine() *gin.Engine {
	engine := gin.New()
	engine.GET("/json", func(c *gin.Context) {
		text, err := visit(c.Request.Context())
		if err != nil {
			c.AbortWithStatus(http.StatusInternalServerError)
			return
		}
		c.JSON(http.StatusOK, gin.H{"text": text})
	})
	engine.GET("/redirect", func(c *gin.Context) {
		text, err := visit(c.Request.Context())
		if err != nil {
			c.AbortWithStatus(http.StatusInternalServerError)
			return
		}
		c.Redirect(http.StatusSeeOther, "/"+text)
	})
	engine.GET("/stream", func(c *gin.Context) {
		text, err := visit(c.Request.Context())
		if err != nil {
			c.AbortWithStatus(http.StatusInternalServerError)
			return
		}
		lines := []string{text, "\nand more\n"}
		c.Stream(func(w io.Writer) bool {
			_, _ = io.WriteString(w, lines[0])
			lines = lines[1:]
			return len(lines) > 0
		})
	})
	engine.POST("/login", func(c *gin.Context) {
		if err := login(c.Request.Context()); err != nil {
			c.AbortWithStatus(http.StatusInternalServerError)
		}
	})
	engine.POST("/logout", func(c *gin.Context) {
		if err := logout(c.Request.Context()); err != nil {
			c.AbortWithStatus(http.StatusInternalServerError)
		}
	})
	return engine
}

func TestGin(t *testing.T) {
	x := newSite(t, func(sessions *session.Manager) http.Handler {
		engine := ginEngine() // handlers use session.From(c.Request.Context())
		return sessions.Handler(engine)
	})
	x.story(`/stream`, `/redirect`)
	b := x.browser()
	x.wants(b, "/json", `{"text":"visit 1 of \"\""}`)
	x.wants(b, "/json", `{"text":"visit 2 of \"\""}`)
}

// Inside gin the handlers write to gin's writer, and the manager comes too late. That is
// an event, and no session that nobody has the id of is stored.
func TestGinTheWrongWayIsTold(t *testing.T) {
	x := newSite(t, func(sessions *session.Manager) http.Handler {
		engine := gin.New()
		engine.Use(func(c *gin.Context) {
			sessions.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				c.Request = r
				c.Next()
			})).ServeHTTP(c.Writer, c.Request)
		})
		engine.GET("/", func(c *gin.Context) {
			text, err := visit(c.Request.Context())
			c.String(http.StatusOK, "%s %v", text, err)
		})
		return engine
	})
	b := x.browser()
	x.wants(b, "/", `visit 1 of "" <nil>`)
	x.wants(b, "/", `visit 1 of "" <nil>`)
	if n := x.told(session.Bypassed); n != 2 || x.told(session.Created) != 0 || x.cookie(b) != "" {
		t.Errorf("%d events, want 2; %d sessions were stored", n, x.told(session.Created))
	}
}

// A *gin.Context is a context too, if the engine is told so.
func TestGinContext(t *testing.T) {
	x := newSite(t, func(sessions *session.Manager) http.Handler {
		engine := gin.New()
		engine.ContextWithFallback = true
		engine.GET("/", func(c *gin.Context) {
			text, err := visit(c)
			c.String(http.StatusOK, "%s %v", text, err)
		})
		return sessions.Handler(engine)
	})
	x.wants(x.browser(), "/", `visit 1 of "" <nil>`)

	w := httptest.NewRecorder()
	engine := gin.New()
	engine.GET("/", func(c *gin.Context) {
		_, err := session.From(c)
		c.String(http.StatusOK, "%v", err)
	})
	x.m.Handler(engine).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if got := w.Body.String(); got != session.ErrNoHandler.Error() {
		t.Errorf("without it: %q", got)
	}
}
