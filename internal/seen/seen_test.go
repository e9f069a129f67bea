package seen_test

import (
	"strconv"
	"testing"

	"github.com/sojourn-go/sojourn/internal/seen"
)

func TestFirst(t *testing.T) {
	s := seen.New()
	for round := range 2 {
		for i := range 10_000 {
			if first := s.First(strconv.Itoa(i)); first != (round == 0) {
				t.Fatalf("round %d: %d comes for the first time: %v", round, i, first)
			}
		}
	}
	if !seen.New().First("1") {
		t.Error("another listing has met it")
	}
}
