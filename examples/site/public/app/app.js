document.getElementById("route").textContent = `The route is ${location.pathname}.`
