<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<link rel="stylesheet" href="/style.css">
<title>Hello</title>
<h1>Hello, <?= htmlspecialchars($_GET['name'] ?? 'you') ?></h1>
<p>Made by PHP for <?= htmlspecialchars($_SERVER['REQUEST_URI']) ?>.
