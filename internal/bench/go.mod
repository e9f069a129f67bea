module github.com/sojourn-go/sojourn/internal/bench

go 1.26.0

require github.com/sojourn-go/sojourn v0.0.0

replace github.com/sojourn-go/sojourn => ../../
