package memory

// Rows is how many sessions are physically there, expired or not.
func Rows(s *Store) int {
	n := 0
	for i := range s.shards {
		s.shards[i].mu.RLock()
		n += len(s.shards[i].sessions)
		s.shards[i].mu.RUnlock()
	}
	return n
}
