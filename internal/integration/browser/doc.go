// Package browser visits examples/login with a real browser, headless Chromium. What a
// browser does with a cookie, and with the Back button, only a browser can tell.
package browser
