package file_test

import (
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn/internal/integration/dump"
)

// SEC-04: the files hold a session's data and owner, and nowhere, their names included,
// what is in its cookie, in any encoding.
func TestDumpGivesNoLogin(t *testing.T) {
	t.Parallel()
	url, s := folder(t)
	ids := dump.Fill(t, s)
	dir, _, _ := strings.Cut(strings.TrimPrefix(url, "file:"), "?")
	var all strings.Builder
	root := os.DirFS(dir)
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		all.WriteString(path + "\n")
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(root, path)
		all.Write(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(all.String(), dump.Data) {
		t.Fatal("the files do not hold the sessions' data")
	}
	dump.Search(t, "the folder", all.String(), ids)
}
