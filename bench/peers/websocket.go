// SPDX-License-Identifier: MIT

// WebSocket by gorilla: /echo says each message back, /broadcast says it to all.
//
// usage: websocket_go PORT
package main

import (
	"fmt"
	"net/http"
	"os"
	"sync"

	"github.com/gorilla/websocket"
)

var upgrader = websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}

func echo(w http.ResponseWriter, r *http.Request) {
	c, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer c.Close()
	for {
		kind, message, err := c.ReadMessage()
		if err != nil || c.WriteMessage(kind, message) != nil {
			return
		}
	}
}

// As gorilla's own chat example does: a channel and a goroutine that writes for each connection.
var everybody = struct {
	sync.Mutex
	queues map[chan *websocket.PreparedMessage]bool
}{queues: map[chan *websocket.PreparedMessage]bool{}}

func write(c *websocket.Conn, queue chan *websocket.PreparedMessage) {
	for message := range queue {
		if c.WritePreparedMessage(message) != nil {
			return
		}
	}
}

func sayToAll(message *websocket.PreparedMessage) {
	everybody.Lock()
	defer everybody.Unlock()
	for queue := range everybody.queues {
		select {
		case queue <- message:
		default: // too slow
		}
	}
}

func broadcast(w http.ResponseWriter, r *http.Request) {
	c, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer c.Close()
	queue := make(chan *websocket.PreparedMessage, 256)
	go write(c, queue)
	everybody.Lock()
	everybody.queues[queue] = true
	everybody.Unlock()
	for {
		kind, bytes, err := c.ReadMessage()
		if err != nil {
			break
		}
		if message, err := websocket.NewPreparedMessage(kind, bytes); err == nil {
			sayToAll(message)
		}
	}
	everybody.Lock()
	delete(everybody.queues, queue)
	close(queue)
	everybody.Unlock()
}

func main() {
	http.HandleFunc("/echo", echo)
	http.HandleFunc("/broadcast", broadcast)
	fmt.Fprintln(os.Stderr, http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
	os.Exit(1)
}
