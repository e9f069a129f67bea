package main

import (
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// users are the bcrypt hashes of the passwords, by name. The hash of "" is that of a
// password which nobody knows.
type users map[string]string

// people would stand in a database. What is compared for a name that is not there must
// cost as much as for one that is: all have the same cost.
var people = users{
	"":      "$2a$10$NlSWpEG0MajRx4v18h98M.cF4x.UBN3cMMuJJjlcsAfFwzdZZwsU2",
	"alice": "$2a$10$aKPoXlrIfBIVW8fOCoQ5beuv9B3MrP42EWMw1pdZ/vNQNpqboICnK", // wonderland
	"bob":   "$2a$10$FJiMfyaWGWwmtjRlfGs4helWSti2VI9pjkRcWBXNIiQQm4kpbw0ue", // builder
}

// check reports whether that is the password of the user of that name. The time it
// takes does not tell whether there is one.
func (u users) check(name, password string) bool {
	hash, known := u[name]
	if !known {
		hash = u[""]
	}
	right := bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil
	return right && known && name != "" && fits(password)
}

// fits reports whether bcrypt tells a password from all others: it reads no more than
// 72 bytes, and the shorter ones over and over with a NUL between, so that
// "wonderland" and "wonderland\x00wonderland" have the same hash.
func fits(password string) bool {
	return len(password) <= 72 && !strings.Contains(password, "\x00")
}
