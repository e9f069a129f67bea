package file_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sojourn-go/sojourn/internal/integration/counter"
)

// The lesson's scene: a folder appears, two browsers count apart, and a restart changes
// nothing.
func TestCounterGoesOn(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "sessions")
	counter.GoesOn(t, "file:"+dir)
	if fi, err := os.Stat(dir); err != nil || !fi.IsDir() || fi.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", fi, err)
	}
}

// SEC-16: visits to three processes at once, while one of them is asked to end the
// session. However they fall, the session is gone afterwards.
func TestEndedStaysEnded(t *testing.T) {
	t.Parallel()
	url, _ := folder(t)
	counter.EndedStaysEnded(t, url)
}
