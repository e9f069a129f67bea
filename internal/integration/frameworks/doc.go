// Package frameworks sees the session manager with code that nobody here wrote:
// frameworks, websockets, proxies and caches.
package frameworks
