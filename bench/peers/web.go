// SPDX-License-Identifier: MIT

// Hello, world by Go's net/http.
//
// usage: web_go PORT
package main

import (
	"fmt"
	"net/http"
	"os"
)

var hello = []byte("Hello, world!\n")

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Write(hello)
	})
	fmt.Fprintln(os.Stderr, http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
	os.Exit(1)
}
