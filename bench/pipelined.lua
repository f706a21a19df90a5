-- SPDX-License-Identifier: MIT
-- For wrk: sixteen requests at once, whose answers it counts one by one.
local together

init = function()
   local requests = {}
   for i = 1, 16 do
      requests[i] = wrk.format("GET", "/")
   end
   together = table.concat(requests)
end

request = function()
   return together
end
