package browser_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// person sits at a browser of their own.
type person struct {
	t   *testing.T
	ctx context.Context
	url string // of the site
}

func (b *browsers) person(t *testing.T, url string) *person {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b.first, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	return &person{t, ctx, url}
}

// run does things in the browser. What cannot be done ends the test.
func (p *person) run(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, actions...); err != nil {
		p.t.Fatal(err)
	}
}

// visit goes to a page of the site.
func (p *person) visit(path string) {
	p.t.Helper()
	p.run(chromedp.Navigate(p.url + path))
}

// click clicks on what leads to another page, and waits for that.
func (p *person) click(selector string) {
	p.t.Helper()
	if _, err := chromedp.RunResponse(p.ctx, chromedp.Click(chromedp.CSS(selector))); err != nil {
		p.t.Fatalf("click on %s: %v", selector, err)
	}
}

// submit runs a script that leads to another page, and waits for that.
func (p *person) submit(script string) {
	p.t.Helper()
	if _, err := chromedp.RunResponse(p.ctx, chromedp.Evaluate[chromedp.Void](script)); err != nil {
		p.t.Fatal(err)
	}
}

// back is the Back button. It reports how the page came: from the server, or as it was left.
func (p *person) back() page.NavigationType {
	p.t.Helper()
	history, err := chromedp.Call(p.ctx, page.GetNavigationHistory, cdp.Empty{})
	if err != nil || history.CurrentIndex < 1 {
		p.t.Fatalf("there is nothing to go back to: %v", err)
	}
	to := page.NavigateToHistoryEntryParams{EntryID: history.Entries[history.CurrentIndex-1].ID}
	// A page that is brought back as it was is not loaded again, so that is not waited for.
	came, err := chromedp.Run(p.ctx, chromedp.WaitEvent(page.FrameNavigated, nil, func(ctx context.Context, t *chromedp.Target) (cdp.Empty, error) {
		return cdp.Call(ctx, t, page.NavigateToHistoryEntry, to)
	}))
	if err != nil {
		p.t.Fatal(err)
	}
	eval[bool](p, `new Promise(done => document.readyState === "complete" ? done(true) : addEventListener("load", () => done(true)))`)
	return came.Type
}

// login fills in the form, and is at the welcome page then.
func (p *person) login(name, password string) {
	p.t.Helper()
	p.visit("/auth/login")
	p.run(chromedp.SetValue(chromedp.CSS("#username"), name), chromedp.SetValue(chromedp.CSS("#password"), password))
	p.click("main form .button")
	p.at("/welcome")
	p.is(name)
}

func (p *person) logout() {
	p.t.Helper()
	p.click(`form[action="/auth/logout"] button`)
	p.at("/")
	p.is("")
}

// at wants the browser to show a page of the site.
func (p *person) at(path string) {
	p.t.Helper()
	if got := eval[string](p, "location.pathname"); got != path {
		p.t.Errorf("the browser is at %s, want %s", got, path)
	}
}

// is wants the page to know who is there, "" for nobody.
func (p *person) is(name string) {
	p.t.Helper()
	if got := eval[string](p, `document.querySelector("#user")?.textContent ?? ""`); got != name {
		p.t.Errorf("the page knows %q, want %q", got, name)
	}
}

// devices are how many the page lists.
func (p *person) devices() int {
	return eval[int](p, `document.querySelectorAll(".devices li").length`)
}

// eval is what a script in the page gets.
func eval[T any](p *person, script string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: %v", script, err)
	}
	return v
}

// cookies are what the browser has for the site, as it knows them itself.
func (p *person) cookies() []*network.Cookie {
	p.t.Helper()
	got, err := chromedp.Call(p.ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{p.url}})
	if err != nil {
		p.t.Fatal(err)
	}
	return got.Cookies
}

// cookie is the one that the browser has.
func (p *person) cookie() *network.Cookie {
	p.t.Helper()
	all := p.cookies()
	if len(all) != 1 {
		p.t.Fatalf("the browser has %d cookies, want one", len(all))
	}
	return all[0]
}

// steal puts a copy of another browser's cookie into this one.
func (p *person) steal(c *network.Cookie) {
	p.t.Helper()
	_, err := chromedp.Call(p.ctx, network.SetCookie, network.SetCookieParams{
		Name: c.Name, Value: c.Value, URL: p.url, Path: c.Path, Secure: &c.Secure, HTTPOnly: &c.HTTPOnly, SameSite: c.SameSite,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	if got := p.cookie(); got.Name != c.Name || got.Value != c.Value {
		p.t.Fatal("the copy of the cookie was not taken")
	}
}

// picture keeps the page for people to look at: in the folder of the reports, if that is
// wanted.
func (p *person) picture(name string) {
	p.t.Helper()
	dir := os.Getenv("SOJOURN_TEST_REPORTS")
	if dir == "" {
		dir = p.t.TempDir()
	}
	dir = filepath.Join(dir, "pages")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.t.Fatal(err)
	}
	png, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		p.t.Fatal(err)
	}
	if len(png) < 1000 {
		p.t.Errorf("the picture of %s has %d bytes", name, len(png))
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		p.t.Fatal(err)
	}
}
