// SPDX-License-Identifier: MIT

// Servers of Go's net/http for client_peers.py, in the clear and over TLS with HTTP/2; tells both ports.
// usage: go_server CHAIN KEY
package main

import (
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

func answer(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Seen", r.Header.Get("X-Say"))
	switch r.URL.Path {
	case "/echo":
		w.Header().Set("Content-Type", "application/octet-stream")
		body, err := io.ReadAll(r.Body) // first, as Go's server for HTTP/1.1 wants it
		if err == nil {
			w.Write(body)
		}
	case "/chunks":
		w.Header().Set("Trailer", "X-End")
		var n int
		fmt.Sscan(r.URL.RawQuery, &n)
		for i := 0; i < n; i++ {
			fmt.Fprintf(w, "chunk %d\n", i)
			w.(http.Flusher).Flush()
		}
		w.Header().Set("X-End", fmt.Sprintf("%d chunks", n))
	case "/gzip":
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Type", "text/plain")
		z := gzip.NewWriter(w)
		for i := 0; i < 20000; i++ {
			fmt.Fprintf(z, "line %d\n", i)
		}
		z.Close()
	case "/early":
		http.Error(w, "too much", 413)
	default:
		io.WriteString(w, "hello\n")
	}
}

func listen() net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	return l
}

func main() {
	plain, secure := listen(), listen()
	fmt.Printf("{\"http\": %d, \"https2\": %d}\n", plain.Addr().(*net.TCPAddr).Port, secure.Addr().(*net.TCPAddr).Port)
	go http.Serve(plain, http.HandlerFunc(answer))
	go http.ServeTLS(secure, http.HandlerFunc(answer), os.Args[1], os.Args[2])
	io.Copy(io.Discard, os.Stdin) // until who has started it ends
}
