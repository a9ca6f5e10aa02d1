--TEST--
The functions belong to extension lwc and have the signatures of lwc.stub.php
--FILE--
<?php
foreach (get_extension_funcs('lwc') as $name) {
    $function = new ReflectionFunction($name);
    $parameters = array_map(fn ($p) => $p->getType() . ' $' . $p->getName(), $function->getParameters());
    echo $name, '(', implode(', ', $parameters), '): ', $function->getReturnType(), "\n";
}
--EXPECT-BASE--
lwc_snapshot(): bool
lwc_warming_up(): bool
lwc_in_child(): bool
lwc_on_resume(callable $callback): void
lwc_snapshot_info(): ?array
